#pragma once

/*
 * build - turn an action's code into a folder that can be launched (N: the number of the folder):
 *
 *     write or unpack into N/src ─► choose the runtime ─► rename to N/bin, or compile into N/bin
 *
 * All steps share one deadline. A failed build leaves folder N behind; the owner of the build
 * deletes that folder or keeps it for inspection.
 */

#include <stdbool.h>
#include <stdint.h>

#include "action/compile.h"
#include "action/envelope.h"
#include "action/runtimes.h"
#include "action/stage.h"
#include "action/store.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/privileges.h"

struct build;
struct oom;
struct user_names;
typedef void build_done_fn(struct build *build);

/* Filled once, when the proxy starts. All pointers are borrowed. */
struct build_opts {
    struct unpack_limits unpack;
    struct store *store;
    const struct runtimes *runtimes;
    const struct runtime *fallback; /* default runtime: runs code that is plain source; not NULL */
    const struct privileges *privileges; /* user and limits for unpacking and compiling */
    struct oom *oom; /* tells whether a build failed for lack of memory; NULL: it is not told */
    char *const *environ; /* environment that compilers get, besides the action's own variables */
    bool keeps_failed;    /* keep the folder of a failed /init for inspection (-debug) */
    const char *save_jar; /* store a jar under this name, not unpacked; NULL: unpack jars */
};

struct build {
    /* set by the owner before build_start() */
    const struct build_opts *opts; /* borrowed */
    struct envelope *envelope;     /* borrowed, but its `code` is freed once written to disk */
    const struct runtime *source;  /* runtime to use for plain source; NULL: opts->fallback */
    bool is_ahead; /* true for -compile: no launcher loads the code, so a compiler must check it */
    build_done_fn *done; /* called once from the loop, never from inside build_start() */

    /* the outcome */
    bool failed;
    struct err err; /* why the build failed, if it did */
    struct buf why; /* if compiling failed: a message for the action's author; else "" */
    /* the compiler wants the client to get `why`, even if the setting log_init_error sends such
     * messages only to the log */
    bool tells_client;
    unsigned version;              /* number N of the build's folder; 0: no folder is made yet */
    const struct runtime *runtime; /* the runtime that takes the code; NULL until it is chosen */
    char *dir;       /* owned; path of N/src, then of N/bin; or from build_in_place() */
    char *lacks;     /* owned; the compiler's line on what the action lacks; NULL: nothing */
    struct buf said; /* text for the log: notes about the archive, and the compiler's messages */

    /* internal to build.c */
    struct loop *loop;
    uint64_t deadline_at_ms;
    struct stage stage;
    struct compile compile;
};

/* Call before build_start(). A struct build serves one build, and then needs a new build_init(). */
void build_init(struct build *build);
/* 0, and `done` is called later; or -1: ERR_SYSTEM. deadline_at_ms: in the time of
 * loop_now_ms(). */
int build_start(struct build *build, struct loop *loop, uint64_t deadline_at_ms, struct err *err);
/* Call this instead of build_start() if `runtime` can launch folder `dir` as it is. Takes over the
 * string `dir`. `done` is not called. */
void build_in_place(struct build *build, char *dir, const struct runtime *runtime);
/* Set how messages name the action's files: as the user calls them, not by our own paths. */
void build_name_files(const struct build *build, const struct envelope *envelope,
                      struct user_names *names);
/* Kill the build's processes that still run, and free all members. `done` will not be called. May
 * be called repeatedly. */
void build_cancel(struct build *build);

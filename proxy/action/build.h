#pragma once

/*
 * build - turn an action's code into a folder that can be launched (N: the number of the folder):
 *
 *     stage into N/src ─► choose the runtime ─► rename to N/bin, or compile into N/bin
 *
 * All steps share one deadline. A build that failed leaves folder N behind for the build's owner to
 * delete, or to keep for inspection.
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
typedef void build_done_fn(struct build *build);

/* Set once, when the proxy starts. All pointers are borrowed. */
struct build_opts {
    struct unpack_limits unpack;
    struct store *store;
    const struct runtimes *runtimes;
    const struct runtime *fallback;      /* the runtime for plain source, among others; not NULL */
    const struct privileges *privileges; /* the user who unpacks and compiles */
    char *const *environ;                /* the container's environment, for compilers */
    const char *save_jar; /* name under which a jar is kept unexpanded; NULL: jars are unpacked */
};

struct build {
    /* set by the owner before build_start() */
    const struct build_opts *opts; /* borrowed */
    struct envelope *envelope;     /* borrowed; envelope->code is freed once it is on disk */
    const struct runtime *source;  /* the runtime of plain source; NULL: opts->fallback */
    build_done_fn *done;           /* called once from the loop, never from inside build_start() */

    /* the outcome */
    bool failed;
    struct err err; /* when failed */
    struct buf why; /* on failure: a compiler's message for the client, word for word; or "" */
    /* the client gets `why` even where other reasons for failures go to the log only */
    bool tells_client;
    unsigned version;              /* number of the build's folder; 0: there is none yet */
    const struct runtime *runtime; /* the runtime that takes the code; NULL until it is chosen */
    char *dir;                     /* owned; the path of N/src, then of N/bin */
    struct buf said; /* for the log: notes about the archive, and the compiler's messages */

    /* state of the steps */
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
/* Instead of build_start(): use `dir` (the string is owned from now on), a folder that `runtime`
 * can launch as it is. `done` is not called. */
void build_in_place(struct build *build, char *dir, const struct runtime *runtime);
/* Kills what is still running and frees everything; `done` will not be called. May be called
 * repeatedly. */
void build_cancel(struct build *build);

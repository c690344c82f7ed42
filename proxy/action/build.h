#pragma once

/*
 * build - from an action's code to a folder that can be launched:
 *
 *     stage into N/src ─► choose the runtime ─► rename to N/bin, or compile into N/bin
 *
 * All under one deadline. A build that failed leaves N behind for its owner to delete: the folder
 * may be wanted for a look.
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

/* Given for the program's life; borrowed. */
struct build_opts {
    struct unpack_limits unpack;
    struct store *store;
    const struct runtimes *runtimes;
    const struct runtime *fallback;      /* the runtime of plain source; may be NULL */
    const struct privileges *privileges; /* user that unpacks and compiles */
    char *const *environ;                /* the container's environment, for compilers */
    const char *save_jar; /* the name under which a jar is kept unexpanded; NULL: never */
};

struct build {
    /* set by the owner before build_start() */
    const struct build_opts *opts; /* borrowed */
    struct envelope *envelope;     /* borrowed; its code is freed once it is on disk */
    const struct runtime *source;  /* the runtime of plain source; may be NULL */
    build_done_fn *done;           /* called once from the loop, never from inside build_start() */

    /* how it ended */
    bool failed;
    struct err err;    /* when failed */
    struct buf why;    /* on failure: a compiler's message for the client, word for word; or "" */
    bool tells_client; /* ... also where reasons go to the log */
    unsigned version;  /* 0: there is no folder yet */
    const struct runtime *runtime; /* NULL until it is known */
    char *dir;                     /* owned; N/src, then N/bin */
    struct buf said; /* for the log: notes about the archive, and the compiler's messages */

    /* the steps */
    struct loop *loop;
    uint64_t deadline_at_ms;
    struct stage stage;
    struct compile compile;
};

/* Before each start: a build is used once. */
void build_init(struct build *build);
/* 0 and `done` later, or -1 with err: ERR_SYSTEM. deadline_at_ms: loop time. */
int build_start(struct build *build, struct loop *loop, uint64_t deadline_at_ms, struct err *err);
/* Instead of staging: the contents of this folder (owned from now on) are ready for this
 * runtime. */
void build_in_place(struct build *build, char *dir, const struct runtime *runtime);
/* Kills what is still running and frees everything; `done` will not be called. May be called
 * repeatedly. */
void build_cancel(struct build *build);

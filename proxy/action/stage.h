#pragma once

/*
 * stage - write or unpack an action's code into a folder, in a child process with a deadline.
 *
 * Writing and unpacking block, so a forked child does them. Only a small file is written by the
 * proxy itself, which takes less time than a fork. The child keeps none of the proxy's descriptors
 * except its report pipe, dies with the proxy, and has its own limits. It runs as the action's
 * user, so that an archive is unpacked with no more rights than its code will have.
 */

#include <stdbool.h>
#include <stdint.h>

#include "action/helper.h"
#include "action/unpack.h"
#include "base/err.h"
#include "base/loop.h"

struct privileges;
struct stage;
typedef void stage_done_fn(struct stage *stage);

struct stage {
    /* what to do: set by the owner before stage_start(), borrowed until done */
    const char *dir;      /* absolute path of an existing, empty folder */
    const char *name;     /* write the code to this file; NULL: the code is an archive, unpack it */
    const char *jar_name; /* write a jar (zip with Java manifest) to this file; NULL: unpack it */
    const void *code;
    size_t code_len;
    size_t direct_max_bytes; /* a file up to this size is written without a child */
    struct unpack_limits limits;
    bool keeps_failed;                   /* leave what was unpacked before a failure (-debug) */
    const struct privileges *privileges; /* user who will own the files; NULL: the proxy's */
    stage_done_fn *done; /* called once from the loop, never from inside stage_start() */

    /* the outcome */
    bool failed;
    bool killed;     /* if failed: by SIGKILL, not ours, before it had said why */
    struct buf said; /* owned: a line for the log about each link not unpacked */
    struct err err;  /* if failed: ERR_CODE, ERR_LIMIT (a bound or the deadline) or ERR_SYSTEM */

    struct helper helper;
    struct loop_post direct; /* calls `done` for a file written without a child */
};

/* Call before stage_start(). A struct stage serves one run, and then needs a new stage_init(). */
void stage_init(struct stage *stage);
/* 0, and `done` is called later; or -1 with err: no process or pipe available. deadline_at_ms: in
 * the time of loop_now_ms(). */
int stage_start(struct stage *stage, struct loop *loop, uint64_t deadline_at_ms, struct err *err);
/* Kill the child if it still runs, and free all members. `done` will not be called. */
void stage_cancel(struct stage *stage);

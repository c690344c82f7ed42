#pragma once

/*
 * stage - put an action's code into a version folder, in a child process, under a deadline.
 *
 * Writing and unpacking block, so a forked child does them, and the loop is told when it ends. Only
 * a small file is written by the proxy itself: that takes less time than a fork. The child keeps no
 * descriptor of ours but its report pipe, dies with us, has its own limits, and runs as the
 * action's user: an archive is unpacked with no more rights than its code will have.
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
    const char *name;     /* write the code to this file; NULL: it is an archive, unpack it */
    const char *jar_name; /* write a zip with a Java manifest to this file; NULL: unpack it */
    const void *code;
    size_t code_len;
    size_t direct_max_bytes; /* up to this size, a file is written without a child */
    struct unpack_limits limits;
    const struct privileges *privileges; /* user who writes and so owns the files; NULL: ours */
    stage_done_fn *done; /* called once from the loop, never from inside stage_start() */

    /* the outcome */
    bool failed;
    struct buf said; /* owned: log lines about entries left out */
    struct err err;  /* when failed: ERR_CODE, ERR_LIMIT (bounds and time) or ERR_SYSTEM */

    struct helper helper;
    struct loop_post direct; /* calls `done` for a file written without a child */
};

/* Call before stage_start(). A struct stage serves one run, and then needs a new stage_init(). */
void stage_init(struct stage *stage);
/* 0, and `done` is called later; or -1 with err: no process or pipe available. deadline_at_ms: in
 * the time of loop_now_ms(). */
int stage_start(struct stage *stage, struct loop *loop, uint64_t deadline_at_ms, struct err *err);
/* Kills what is still running; `done` will not be called. */
void stage_cancel(struct stage *stage);

#pragma once

/*
 * helper - a forked child with one thing to do for us: a process group of its own, a pipe for what
 * it says, a deadline. How it went is written down here; the owner is told once, when it is gone.
 *
 * The end of the pipe is not waited for: a daemon that the child leaves behind would hold it open.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/loop.h"

struct err;
struct helper;

/* The work, in the child: ends by _exit(). pipe: to us, closed at exec; parent: our process. */
typedef void helper_run_fn(struct helper *helper, int pipe, pid_t parent);
typedef void helper_done_fn(struct helper *helper);

struct helper {
    helper_run_fn *run;
    helper_done_fn *done; /* called once from the loop, never from inside helper_start() */

    /* how it went */
    size_t said_max_bytes;
    struct buf said;     /* what came through the pipe, the first said_max_bytes */
    uint64_t n_unsaid;   /* bytes that came beyond those */
    uint64_t allowed_ms; /* from the start to the deadline */
    bool overdue;        /* the deadline has passed, the group was killed for it */
    bool exited;
    int wait_status;

    /* the child */
    struct loop *loop; /* borrowed */
    unsigned mark;     /* base/kin.h */
    struct loop_child child;
    struct loop_watch pipe;
    struct loop_timer late;
};

/* Before each start: a helper process is used once. */
void helper_init(struct helper *helper, helper_run_fn *run, helper_done_fn *done,
                 size_t said_max_bytes);
/* 0 and `done` later, or -1 with err (ERR_SYSTEM): no process or pipe to be had. what: for the
 * text, "compile". deadline_at_ms: loop time. */
int helper_start(struct helper *helper, struct loop *loop, uint64_t deadline_at_ms,
                 const char *what, struct err *err);
/* Kills what still runs and frees all; `done` will not be called any more. Any number of times. */
void helper_cancel(struct helper *helper);

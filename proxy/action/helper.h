#pragma once

/*
 * helper - a forked child process with one task, in a process group of its own, with a pipe for its
 * output and a deadline. Once the child has been reaped, the outcome is in struct helper and the
 * owner is told.
 *
 * The proxy does not wait for the pipe to end: a daemon that the child started may hold it open.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/loop.h"

struct err;
struct helper;

/* The child's task, which must end with _exit(). pipe: write the output for the proxy here; it is
 * close-on-exec. parent: the proxy's pid. */
typedef void helper_run_fn(struct helper *helper, int pipe, pid_t parent);
typedef void helper_done_fn(struct helper *helper);

struct helper {
    helper_run_fn *run;
    helper_done_fn *done; /* called once from the loop, never from inside helper_start() */

    /* output and outcome */
    size_t said_max_bytes;
    struct buf said;     /* the first said_max_bytes of the child's output */
    uint64_t n_unsaid;   /* bytes of output beyond `said`, not kept */
    uint64_t allowed_ms; /* time from the start to the deadline */
    bool overdue;        /* the deadline passed, and the child's process group was killed */
    bool exited;
    int wait_status;

    /* the child */
    struct loop *loop; /* borrowed */
    unsigned mark;     /* base/kin.h finds the child's descendants by this number */
    struct loop_child child;
    struct loop_watch pipe;
    struct loop_timer late;
};

/* Call before helper_start(). A struct helper serves one child, and then needs a new
 * helper_init(). */
void helper_init(struct helper *helper, helper_run_fn *run, helper_done_fn *done,
                 size_t said_max_bytes);
/* 0, and `done` is called later; or -1 with err (ERR_SYSTEM): no process or pipe available. what: a
 * verb for the error text, such as "compile". deadline_at_ms: in the time of loop_now_ms(). */
int helper_start(struct helper *helper, struct loop *loop, uint64_t deadline_at_ms,
                 const char *what, struct err *err);
/* After `done`: whether SIGKILL ended the child, and not because of the deadline. */
bool helper_was_killed(const struct helper *helper);
/* Kill the child and its descendants if they still run, and free all members. `done` will not be
 * called. May be called repeatedly. */
void helper_cancel(struct helper *helper);

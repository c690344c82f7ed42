#pragma once

/*
 * job - one activation: a line for the action, and its outcome.
 *
 * The line belongs to the job, since the client may leave while a worker still reads it. The maker
 * of the job frees both, in or after `done`.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "worker/outcome.h"
#include "worker/request_id.h"

/* For deadline_at_ms: limit_ms counts from the moment at which the job becomes the oldest of its
 * worker, or where lines have request ids, from when a worker gets it. */
#define JOB_BY_TURN UINT64_MAX

struct job;
struct job_tap;
struct log_field;
struct loop;
struct loop_post;
struct parts;
typedef void job_done_fn(struct job *job);
typedef void job_parts_fn(struct job *job);
typedef void job_first_part_fn(struct job *job, const char *text, size_t n);

/* Observes each part as it comes; must not touch the job's list of parts. */
struct job_tap {
    void (*part)(struct job_tap *tap, const struct job *job, const char *text, size_t n);
};

/* The queue or session that has the job: `step` is posted when one of its jobs needs attention. */
struct job_holder {
    struct loop *loop;
    struct loop_post *step;
    bool asked; /* job_look_again() was called; the holder clears it */
};

struct job {
    struct list node; /* in the list of its queue, window or results */

    /* set by the maker */
    char *line;  /* owned, unless it lies in `block`; ends with a newline */
    char *block; /* owned; memory that contains the line; NULL: `line` has its own */
    size_t len;
    uint64_t deadline_at_ms; /* loop time, or JOB_BY_TURN */
    uint64_t limit_ms;     /* for the text of a late job; with JOB_BY_TURN also the limit itself */
    bool takes_any_result; /* the answer need not be an object or array */
    job_done_fn *done;     /* called once, from the loop */
    /* Called from the loop when parts of the answer have come, to take them (worker/parts.h). Those
     * that come with the end are left for `done`. NULL: parts are kept for the answer. */
    job_parts_fn *on_parts;
    /* Called with the first part before it is kept; may set on_parts. NULL: not called. */
    job_first_part_fn *first_part;
    struct job_tap *tap; /* borrowed; NULL: no observer */

    /* set while it runs */
    struct job_holder *holder; /* borrowed; NULL: not submitted yet */
    struct parts *parts;       /* owned; NULL: none came */
    bool is_cancelled;         /* job_cancel() was called */
    bool cancel_told;          /* its launcher was told of the cancellation */
    bool pause_told;           /* its launcher was told to pause its parts */
    bool tombstone;            /* stands for a job that was given up; see window.h */
    /* Request id, set when the job is given to a worker. Where lines have no ids: the place of this
     * line among those of the process, counted from 1, set when the line is written. */
    uint64_t number;
    char head[REQUEST_ID_HEAD_MAX];
    uint8_t head_len;
    /* offset of this line's end in all bytes written to the worker; valid once it is written */
    uint64_t end_at;
    uint64_t given_at_us; /* loop time at which a worker last got it; 0: never */
    pid_t worker;         /* process id of the worker that last got it */

    /* set when it is done */
    enum job_outcome outcome;
    char *answer; /* owned; not NUL-terminated, no newline */
    size_t answer_len;
    bool has_no_result; /* only parts came: the answer is null for a stream, else their list */
    bool failed;        /* answered, but the launcher reports that the function threw */
    char reason[256];
};

/* The caller has left: do not begin the job or, if a launcher has it, tell the launcher. `done` is
 * still called. */
void job_cancel(struct job *job);
/* Ask the queue or session that holds the job to look at its jobs again. */
void job_look_again(struct job *job);

/* Free the line. */
void job_drop_line(struct job *job);

/* A log field from a string member of the job's line, such as "activation_id". The line is searched
 * at each call, so jobs that are not logged cost nothing. The line must be an object, or
 * missing. */
struct log_field job_log_member(const struct job *job, const char *member);

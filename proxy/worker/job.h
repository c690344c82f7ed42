#pragma once

/*
 * job - one activation on its way: a line for the action, and what came of it.
 *
 * The line outlives its request, for the client may leave while a worker still reads it. Whoever
 * made the job frees it, in or after `done`.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "worker/outcome.h"
#include "worker/request_id.h"

/* For deadline_at_ms: the time begins to count when the job is the oldest that its worker has, or
 * at once if that worker does several at a time. */
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

/* Sees each part as it comes, whoever takes it; must not touch the job's list of parts. */
struct job_tap {
    void (*part)(struct job_tap *tap, const struct job *job, const char *text, size_t n);
};

/* Whoever has the job: told, from the loop, that there is something new to see of one of its. */
struct job_holder {
    struct loop *loop;
    struct loop_post *step;
    bool asked; /* for the holder to clear */
};

struct job {
    struct list node; /* in the list of whoever has it now */

    /* set by the maker */
    char *line;  /* owned, unless `block` is; ends with a newline */
    char *block; /* owned; the memory that the line lies in; NULL: it begins with the line */
    size_t len;
    uint64_t deadline_at_ms; /* loop time, or JOB_BY_TURN */
    uint64_t limit_ms;       /* what the deadline text tells; by turn: the time that it has */
    bool takes_any_result;   /* also one that is no object or array */
    job_done_fn *done;       /* called once, from the loop */
    job_parts_fn *on_parts;  /* parts of the answer have come: take them (worker/parts.h); called
                                from the loop, but for those that come with the end. NULL: they are
                                kept */
    job_first_part_fn *first_part; /* sees the first part before it is kept, and may set on_parts;
                                      NULL: nobody does */
    struct job_tap *tap;           /* borrowed; NULL: nobody else looks */

    /* set while it runs */
    struct job_holder *holder; /* borrowed; NULL: nobody has it yet */
    struct parts *parts;       /* owned; NULL: none came */
    bool is_cancelled;         /* job_cancel() */
    bool cancel_told;          /* ... and its launcher knows */
    bool pause_told;           /* its launcher was told to wait before it sends more parts */
    bool tombstone;            /* keeps the place of a job that was given up; see window.h */
    uint64_t number; /* of its line, among those of a process; in a window that is not numbered
                        known once it is written. Given anew by each worker */
    char head[REQUEST_ID_HEAD_MAX];
    uint8_t head_len;
    uint64_t end_at; /* bytes written to its worker up to its line's end; set once it is written */
    uint64_t given_at_us; /* loop time at which a worker got it, the last time; 0: none has */
    pid_t worker;         /* that worker's process */

    /* set when it is done */
    enum job_outcome outcome;
    char *answer; /* owned; not NUL-terminated, no newline */
    size_t answer_len;
    bool has_no_result; /* answered, by parts alone: a stream's answer is null, else their list */
    bool failed; /* answered, but marked by the launcher: the function threw (runtime/README.md) */
    char reason[256];
};

/* Nobody waits for it any more: it is not begun, or its launcher is told. Its `done` follows. */
void job_cancel(struct job *job);
/* Have its holder look at it. */
void job_look_again(struct job *job);

/* Free the line. */
void job_drop_line(struct job *job);

/* A text in the top level of the job's line, such as "activation_id", as a field of a log line.
 * Looked for at each call, so that jobs that nobody logs cost nothing. The line, if it is still
 * there, must be an object. */
struct log_field job_log_member(const struct job *job, const char *member);

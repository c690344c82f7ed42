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
#include "worker/request_id.h"

enum job_outcome {
    JOB_PENDING,
    JOB_ANSWERED,  /* answer is what the action wrote; not yet judged */
    JOB_DIED,      /* the action ended before it answered; reason: how, "" when nobody knows */
    JOB_KILLED,    /* its process was killed for another activation's sake: see reason */
    JOB_EXHAUSTED, /* ... as it passed a limit of the container or of ours: see reason */
    JOB_LATE,      /* its deadline passed, running or waiting */
    JOB_TOO_LONG,  /* the answer passed the bound */
    JOB_MALFORMED, /* the action waits for its next line and has written no answer: see reason */
    JOB_UNSTARTED, /* the action could not be started again: see reason */
    JOB_ABANDONED, /* the proxy is being taken down */
};

/* For deadline_at_ms: the time begins to count when the job is the oldest that its worker has, or
 * at once if that worker does several at a time. */
#define JOB_BY_TURN UINT64_MAX

struct job;
struct log_field;
typedef void job_done_fn(struct job *job);

struct job {
    struct list node; /* in the list of whoever has it now */

    /* set by the maker */
    char *line;  /* owned, unless `block` is; ends with a newline */
    char *block; /* owned; the memory that the line lies in; NULL: it begins with the line */
    size_t len;
    uint64_t deadline_at_ms; /* loop time, or JOB_BY_TURN */
    uint64_t limit_ms;       /* what the deadline text tells; by turn: the time that it has */
    job_done_fn *done;       /* called once, from the loop */

    /* set while it runs */
    bool tombstone;  /* keeps the place of a job that was given up; see window.h */
    uint64_t number; /* of its line, in a numbered window; given anew by each worker */
    char head[REQUEST_ID_HEAD_MAX];
    uint8_t head_len;
    uint64_t end_at; /* bytes written to its worker up to its line's end; set once it is written */
    uint64_t given_at_us; /* loop time at which a worker got it, the last time; 0: none has */
    pid_t worker;         /* that worker's process */

    /* set when it is done */
    enum job_outcome outcome;
    char *answer; /* owned; not NUL-terminated, no newline */
    size_t answer_len;
    bool failed; /* answered, but marked by the launcher: the function threw (runtime/README.md) */
    char reason[256];
};

/* Free the line. */
void job_drop_line(struct job *job);

const char *job_outcome_name(enum job_outcome outcome);

/* A text in the top level of the job's line, such as "activation_id", as a field of a log line.
 * Looked for at each call, so that jobs that nobody logs cost nothing. The line, if it is still
 * there, must be an object. */
struct log_field job_log_member(const struct job *job, const char *member);

#pragma once

/*
 * job - one activation: a line for the action, and how the activation ended.
 *
 * The line belongs to the job, not to the request, since the client may leave while a worker still
 * reads the line. The code that made the job frees the job and its line, in or after `done`.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "worker/outcome.h"
#include "worker/request_id.h"

/* A value of deadline_at_ms: the time limit limit_ms begins when the job's turn comes. That is when
 * it becomes the oldest job of its worker, or, where lines have request ids, when a worker gets
 * it. */
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

/* An observer that is shown each part of an answer as it comes. It must not change job->parts. */
struct job_tap {
    void (*part)(struct job_tap *tap, const struct job *job, const char *text, size_t n);
};

/* The queue or session that has the job: `step` is posted when one of its jobs needs attention. */
struct job_holder {
    struct loop *loop;
    struct loop_post *step;
    bool asked; /* job_look_again() was called; the queue or session clears it */
};

struct job {
    /* in the pool's queue, in a worker's in-flight window, or in a list of finished jobs or of jobs
     * that a worker gave back */
    struct list node;

    /* set by the code that makes the job */
    char *line;  /* the line for the action, with its newline; owned, unless it lies in `block` */
    char *block; /* memory that contains the line, owned; NULL: `line` has memory of its own */
    size_t len;
    uint64_t deadline_at_ms; /* loop time, or JOB_BY_TURN */
    uint64_t limit_ms;       /* time limit for a JOB_BY_TURN deadline; named in the error text */
    bool takes_any_result;   /* the answer need not be an object or array */
    job_done_fn *done;       /* called once, from the loop, when the job has an outcome */
    /* Called from the loop when parts of the answer have come. The function may take them with
     * parts_took(). Parts that come together with the end of the answer are left for `done`. NULL:
     * all parts are kept until the end. */
    job_parts_fn *on_parts;
    /* Called with the first part before the part is kept; may set on_parts. NULL: not called. */
    job_first_part_fn *first_part;
    struct job_tap *tap; /* borrowed; NULL: no observer */

    /* set while the job waits or runs */
    /* the queue or session that has the job, borrowed; NULL: none yet. Invalid once the job is
     * done. */
    struct job_holder *holder;
    struct parts *parts; /* parts of the answer, owned; NULL: none came */
    bool is_cancelled;   /* job_cancel() was called */
    bool cancel_told;    /* the launcher was told that this job is cancelled */
    bool pause_told;     /* the launcher was told to pause the parts of this job */
    bool tombstone;      /* only absorbs the answer of a job that was given up: see window.h */
    /* Request id, set when the job is given to a worker. Where lines have no request ids: position
     * of this line among all lines of the process, counted from 1, set when it is written. */
    uint64_t number;
    char head[REQUEST_ID_HEAD_MAX];
    uint8_t head_len;
    /* position of this line's end among all bytes written to the worker; 0: its end is unwritten */
    uint64_t end_at;
    uint64_t given_at_us; /* loop time at which the job was last given to a worker; 0: never */
    pid_t worker;         /* process id of the worker that last got the job */

    /* set when the job is done */
    enum job_outcome outcome;
    char *answer; /* owned; without newline, not NUL-terminated */
    size_t answer_len;
    /* only parts came; `answer`: "null" if on_parts is set, else an array of the parts */
    bool has_no_result;
    bool failed; /* answered, but the launcher reports that the function threw */
    char reason[256];
};

/* Call when nobody wants the answer any more. A queued job is not begun. One that a worker has runs
 * on, and its launcher is told if it takes control lines. `done` is still called. */
void job_cancel(struct job *job);
/* Ask the queue or session that holds the job to look at its jobs again. */
void job_look_again(struct job *job);

/* Take the first job out of a list that is linked by job->node; NULL: the list is empty. */
static inline struct job *job_take_first(struct list *jobs)
{
    struct list *node = list_take_first(jobs);

    return node != NULL ? list_item(node, struct job, node) : NULL;
}

/* Free the line. */
void job_drop_line(struct job *job);

/* A log field with the value of a string member of the job's line, such as "activation_id". The
 * log leaves the field out if there is no such member, if the line is NULL, or if our log goes to
 * stderr. A line that is not NULL must be a JSON object. */
struct log_field job_log_member(const struct job *job, const char *member);

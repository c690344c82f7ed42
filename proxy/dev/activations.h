#pragma once

/*
 * activations - a history of activations: argument, answer, log and figures of each. Only the
 * newest are kept, within bounds on their number and bytes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/list.h"

struct job;

#define ACTIVATION_CALL_MAX_BYTES 32

#define ACTIVATIONS_MAX       256         /* activations kept */
#define ACTIVATIONS_MAX_BYTES (16u << 20) /* bytes of all activations kept */
#define ACTIVATION_TEXT_MAX_BYTES                                                                  \
    (256u << 10) /* longer arguments and answers are left out, longer logs and parts are cut */

enum activation_status {
    ACTIVATION_RUNNING,
    ACTIVATION_OK,
    ACTIVATION_ERROR, /* the function threw, answered with "error" or gave no usable answer */
    ACTIVATION_TIMEOUT,
    ACTIVATION_DIED, /* the process ended before it answered, or could not be started */
};

struct activation {
    struct list node; /* in `all`, oldest first */
    char id[8];       /* differs from all other ids of this run */
    unsigned version; /* the action's version that served when it began */
    enum activation_status status;
    int http;            /* HTTP status of the reply; 0: activations_end() was not called yet */
    uint64_t started_ms; /* when it began, in Unix time */
    uint64_t began_us;   /* when it began, by loop_now_us() */
    uint64_t duration_us;
    uint64_t memory_bytes; /* memory of the worker when the activation ended; 0: not known */
    const struct job *job; /* borrowed while it runs, then NULL */
    size_t argument_bytes;
    size_t answer_bytes;
    unsigned n_parts;       /* parts of the answer that have come */
    uint64_t first_part_us; /* time from the activation's beginning to the first part */
    char call[ACTIVATION_CALL_MAX_BYTES + 1]; /* name that the page gave the request; "": none */
    struct buf argument;                      /* JSON; empty: too long to be kept */
    struct buf metadata; /* members of a JSON object, each followed by a comma */
    struct buf answer;   /* JSON; empty: none, or too long */
    struct buf log;      /* items of a JSON array, each with a comma behind it */
    struct buf parts;    /* items of a JSON array, each with a comma behind it */
    bool log_cut;
    bool parts_cut;
    bool is_told;     /* the pages were told that the activation runs */
    bool is_shown;    /* the terminal shows that the activation runs */
    struct buf lines; /* log lines held back from the terminal, see terminal.h */
};

struct activations {
    struct list all;
    unsigned n;
    size_t n_bytes; /* bytes of the activations that have ended */
    uint32_t n_ever;
    uint32_t id_base; /* added to each id, so that ids of different runs differ */
};

void activations_init(struct activations *all);
void activations_done(struct activations *all);
/* Add a running activation for a job, whose job->line must not have been freed yet. */
struct activation *activations_begin(struct activations *all, const struct job *job,
                                     unsigned version, uint64_t now_us);
/* The running activation of this job; NULL: there is none. */
struct activation *activations_of_job(const struct activations *all, const struct job *job);
/* The oldest activation that this process works on; NULL: it works on none. */
struct activation *activations_of_process(const struct activations *all, pid_t pid);
/* Append the ids of running activations: " (3fa2b1, 77ab01, ...)"; nothing if none runs. */
void activations_add_running(const struct activations *all, struct buf *out);
/* The activation with this id. NULL: there is none, or it was forgotten. */
struct activation *activations_find(const struct activations *all, const char *id, size_t n);
/* Record a part of the activation's answer. text: JSON. */
void activations_part(struct activation *activation, const char *text, size_t n, uint64_t now_us);
/* Record the activation's end. http: the reply's status; answer[0 .. n): the reply's body, kept if
 * it is JSON. Others may be forgotten for it; it stays itself until the next one begins or ends. */
void activations_end(struct activations *all, struct activation *activation, int http,
                     const char *answer, size_t n, uint64_t now_us);
/* How the activation of a job ended. */
enum activation_status activation_judge(const struct job *job);

const char *activation_status_name(enum activation_status status);
/* Append the activation's facts as a JSON object, without its longer texts. */
void activation_write(const struct activation *activation, struct buf *out);
/* Like activation_write(), with argument, metadata, answer, log and parts. */
void activation_write_all(const struct activation *activation, struct buf *out);

#pragma once

/*
 * activations - what is kept of each activation: argument, answer, log and figures; the last ones
 * only, within a bound on their number and bytes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/list.h"

struct job;

#define ACTIVATION_CALL_MAX_BYTES 32

#define ACTIVATIONS_MAX       256         /* kept */
#define ACTIVATIONS_MAX_BYTES (16u << 20) /* ... and their bytes */
#define ACTIVATION_TEXT_MAX_BYTES                                                                  \
    (256u << 10) /* of an argument, an answer, a log; a longer answer or
                                                  argument is left out, a longer log is cut */

enum activation_status {
    ACTIVATION_RUNNING,
    ACTIVATION_OK,
    ACTIVATION_ERROR, /* the function threw, or answered with "error" */
    ACTIVATION_TIMEOUT,
    ACTIVATION_DIED, /* with its process */
};

struct activation {
    struct list node; /* in `all`, oldest first */
    char id[8];       /* differs from those of this run */
    unsigned version; /* that served when it began */
    enum activation_status status;
    int http;            /* status of the reply; 0: none yet */
    uint64_t started_ms; /* Unix time */
    uint64_t began_us;   /* loop time */
    uint64_t duration_us;
    uint64_t memory_bytes; /* of its process, at its end; 0: not known */
    pid_t pid;             /* of its process; 0: not known, or gone */
    const struct job *job; /* borrowed while it runs, then NULL */
    size_t argument_bytes;
    size_t answer_bytes;
    unsigned n_parts;                         /* of the answer, that have come */
    uint64_t first_part_us;                   /* from its beginning to the first one */
    char call[ACTIVATION_CALL_MAX_BYTES + 1]; /* how the page calls its request; "": another's */
    struct buf argument;                      /* JSON; empty: too long to be kept */
    struct buf metadata; /* members of a JSON object, each with a comma behind it */
    struct buf answer;   /* JSON; empty: none, or too long */
    struct buf log;      /* items of a JSON array, each with a comma behind it */
    struct buf parts;    /* items of a JSON array, each with a comma behind it */
    bool log_cut;
    bool parts_cut;
    bool is_told;     /* its beginning was, to the page */
    bool is_shown;    /* ... on the terminal */
    struct buf lines; /* for the terminal, held until it has ended */
    unsigned n_log;   /* lines of it, all */
};

struct activations {
    struct list all;
    unsigned n;
    size_t n_bytes; /* of those that have ended */
    uint32_t n_ever;
    uint32_t id_base; /* so that ids of different runs differ */
};

void activations_init(struct activations *all);
void activations_done(struct activations *all);
/* A new one, for a job whose line is there still. */
struct activation *activations_begin(struct activations *all, const struct job *job,
                                     unsigned version, uint64_t now_us);
/* Of this job; NULL: none runs. */
struct activation *activations_of_job(const struct activations *all, const struct job *job);
/* The oldest that this process works on; NULL: it works on none. */
struct activation *activations_of_process(const struct activations *all, pid_t pid);
/* Append the ids of those that run: " (3fa2b1, 77ab01, ...)"; nothing if none does. */
void activations_add_running(const struct activations *all, struct buf *out);
/* NULL: none, or it is forgotten. */
struct activation *activations_find(const struct activations *all, const char *id, size_t n);
/* A part of its answer, JSON, has come. */
void activations_part(struct activation *activation, const char *text, size_t n, uint64_t now_us);
/* What came of it; answer[0 .. n): the body that is replied, JSON. */
void activations_end(struct activations *all, struct activation *activation, int http,
                     const char *answer, size_t n, uint64_t now_us);
/* How it ended, by its job. */
enum activation_status activation_judge(const struct job *job);

const char *activation_status_name(enum activation_status status);
/* Append the facts as a JSON object. */
void activation_write(const struct activation *activation, struct buf *out);
/* ... with argument, answer and log. */
void activation_write_all(const struct activation *activation, struct buf *out);

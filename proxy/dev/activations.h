#pragma once

/*
 * activations - a history of activations, with the argument, answer, log, duration and memory of
 * each. Only the newest are kept, within ACTIVATIONS_MAX and ACTIVATIONS_MAX_BYTES. An answer may
 * come in parts (worker/parts.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/list.h"

struct job;

#define ACTIVATION_CALL_MAX_BYTES 32

#define ACTIVATIONS_MAX       256         /* most activations kept */
#define ACTIVATIONS_MAX_BYTES (16u << 20) /* most bytes of text kept for ended activations */
#define ACTIVATION_TEXT_MAX_BYTES                                                                  \
    (256u << 10) /* a longer argument or answer is not kept; the log is cut, and so are all parts */

enum activation_status {
    ACTIVATION_RUNNING,
    ACTIVATION_OK,
    ACTIVATION_ERROR, /* the function threw, gave no usable answer, or one with a member "error" */
    ACTIVATION_TIMEOUT,
    ACTIVATION_DIED, /* the process ended without an answer, or never began the activation */
};

struct activation {
    struct list node; /* in activations.all, oldest first */
    char id[8];       /* unique within this run of the program */
    unsigned version; /* number of the newest loaded version when the activation began */
    enum activation_status status;
    int http; /* HTTP status of the reply; 0: activations_end() has not been called yet */
    uint64_t started_ms; /* Unix time at which the activation began */
    uint64_t began_us;   /* time of loop_now_us() at which the activation began */
    uint64_t duration_us;
    uint64_t memory_bytes; /* memory that the worker used when the activation ended; 0: not known */
    const struct job *job; /* borrowed; NULL once the job has ended */
    size_t argument_bytes;
    size_t answer_bytes;
    unsigned n_parts;       /* number of parts of the answer that have come so far */
    uint64_t first_part_us; /* time from the activation's beginning to its first answer part */
    char call[ACTIVATION_CALL_MAX_BYTES + 1]; /* value of header X-Whiskloop-Call; "": none */
    struct buf argument;                      /* JSON; empty: too long to be kept */
    struct buf metadata; /* JSON members of the request except "value", each followed by a comma */
    struct buf answer;   /* JSON; empty: none yet, no valid JSON, or too long to be kept */
    struct buf reason;   /* what the answer's error text lacks, as "exit status 3"; often empty */
    struct buf log;      /* log lines as items of a JSON array, each followed by a comma */
    struct buf parts;    /* answer parts as items of a JSON array, each followed by a comma */
    bool log_cut;
    bool parts_cut;
    bool is_told;       /* the open web pages were told that the activation runs */
    bool is_shown;      /* the terminal shows that the activation runs */
    bool is_wait_shown; /* the terminal shows that the activation waits for a process */
    struct buf lines;   /* log lines that wait until the terminal shows the activation */
};

struct activations {
    struct list all;
    unsigned n;
    size_t n_bytes; /* bytes of text kept for the activations that have ended */
    uint32_t n_ever;
    uint32_t id_base; /* added to each id, so that each run of the program has other ids */
};

void activations_init(struct activations *all);
void activations_done(struct activations *all);
/* Add an activation that begins to run. Its argument and metadata are copied from job->line, which
 * must not have been freed yet. */
struct activation *activations_begin(struct activations *all, const struct job *job,
                                     unsigned version, uint64_t now_us);
/* The running activation of this job; NULL: there is none. */
struct activation *activations_of_job(const struct activations *all, const struct job *job);
/* The oldest running activation of the worker with this process id. NULL: it has none, or pid is
 * 0. */
struct activation *activations_of_process(const struct activations *all, pid_t pid);
/* Append the ids of running activations: " (3fa2b1, 77ab01, ...)"; nothing if none runs. */
void activations_add_running(const struct activations *all, struct buf *out);
/* The activation with the id id[0 .. n). NULL: no such activation is kept. */
struct activation *activations_find(const struct activations *all, const char *id, size_t n);
/* Record a part of the activation's answer. text: JSON. */
void activations_part(struct activation *activation, const char *text, size_t n, uint64_t now_us);
/* Record the activation's end. http: the reply's status; answer[0 .. n): the reply's body, kept if
 * it is JSON. Older activations may be forgotten to make room. This one stays until another begins
 * or ends. */
void activations_end(struct activations *all, struct activation *activation, int http,
                     const char *answer, size_t n, uint64_t now_us);
/* The status of an activation, from the outcome of its job. */
enum activation_status activation_judge(const struct job *job);

const char *activation_status_name(enum activation_status status);
/* Append the activation as a JSON object, without its argument, metadata, answer, log and answer
 * parts. */
void activation_write(const struct activation *activation, struct buf *out);
/* Like activation_write(), but with the argument, metadata, answer, log and answer parts. */
void activation_write_all(const struct activation *activation, struct buf *out);

#pragma once

/*
 * window - the in-flight window: the jobs of a worker, the oldest first, and which of their lines
 * are written, begun or late. No descriptor in here: the owner writes the lines and reports that.
 *
 * A job that is given up when its line is in the pipe leaves a tombstone in its place, which
 * absorbs the answer when it comes.
 *
 * In a numbered window lines have request ids (worker/request_id.h): answers come in any order, and
 * all lines that were read have begun. Otherwise answers come in the order of the lines, and only
 * the oldest line has begun.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/list.h"
#include "worker/job.h"

#define WINDOW_PARTS 3 /* most parts of one line: request id head, text, tail */

/* Invariant: n == length of jobs; unsent is in jobs, or NULL with unsent_written == 0; n_tombstones
 * of the jobs are tombstones. */
struct window {
    struct list jobs; /* tombstones among them are owned */
    unsigned n;
    unsigned n_tombstones;
    bool numbered;
    uint64_t last_number;  /* the last request id of this process */
    struct job *unsent;    /* the first job whose line is not written in full; NULL: none */
    size_t unsent_written; /* bytes written of that line */
    /* the written bytes of `unsent` are a probe (window_probe()): the job cannot have begun */
    bool probing;
    size_t n_ahead;      /* bytes of the next line, written before there was a job for it */
    uint64_t n_written;  /* bytes written in all */
    uint64_t soonest_ms; /* no deadline is sooner than this; exact after window_late() */
};

void window_init(struct window *window);
/* A new process was started: its lines have no request ids yet. */
void window_open(struct window *window);
/* Set whether lines have request ids from now on; no line may have been written yet. */
void window_set_numbered(struct window *window, bool numbered);
void window_add(struct window *window, struct job *job);

/* The oldest job, or tombstone; NULL: none. */
struct job *window_oldest(const struct window *window);
/* The job or tombstone with this request id, if its line is written at least in part; NULL:
 * none. */
struct job *window_find(const struct window *window, uint64_t number);

/* Take a job out. A tombstone is freed, and NULL returned. */
struct job *window_take(struct window *window, struct job *job);

/* Whether only tombstones are left, for whose answers nobody waits. */
static inline bool window_is_deserted(const struct window *window)
{
    return window->n > 0 && window->n_tombstones == window->n;
}

/* The process is dead: free the tombstones. */
void window_drop_tombstones(struct window *window);

/* Whether a line is written at least in part, so that an answer will come. */
bool window_is_fed(const struct window *window);

/*
 * A probe is the start of the oldest line without its end, so that no process can begin the line:
 * when it is read, the process is back at its input. part: what is left to write of it, at most
 * `max` bytes. false: the line is too short.
 */
bool window_probe(struct window *window, size_t max, struct iovec *part);
/* The probe was read: window_lines() returns the rest. */
void window_end_probe(struct window *window);
/* The first byte, which is the same in all lines, was written before there was a job for it. */
void window_wrote_ahead(struct window *window);

/* What to write next, as at most `max` iovecs. Returns their number; 0: nothing. */
int window_lines(struct window *window, struct iovec *lines, int max);
/* n bytes of window_lines(), or of a probe, were written. */
void window_wrote(struct window *window, size_t n);
/* Whether no line is written in part, so that a control line may be written now. */
bool window_is_between_lines(const struct window *window);
/* n bytes were written that are no line of a job. */
void window_wrote_else(struct window *window, size_t n);

/* How many jobs have begun; always the oldest ones. With request ids, all whose lines were read in
 * full; otherwise the oldest, if a byte of its line was read. n_unread: bytes still in the pipe. */
unsigned window_n_begun(const struct window *window, size_t n_unread);

/* How many jobs the process has read at least in part; always the oldest ones. */
unsigned window_n_held(const struct window *window, size_t n_unread);

/* Take a job out. If any of its line was written, a tombstone takes its place. Returns the job. */
struct job *window_give_up(struct window *window, struct job *job);

enum window_late {
    WINDOW_IN_TIME,
    WINDOW_LATE_JOB,     /* *job is late and was taken out; it had not begun, or lines have
                            request ids */
    WINDOW_LATE_RUNNING, /* the running job, or its tombstone, is late: the worker must end;
                            never with request ids */
};

/* Find a job past its deadline; call again until WINDOW_IN_TIME. tombstone_ms: how long a tombstone
 * may be the oldest; with request ids it blocks nobody and is not timed. */
enum window_late window_late(struct window *window, uint64_t now_ms, uint64_t tombstone_ms,
                             struct job **job);

#pragma once

/*
 * window - the in-flight window: the jobs that a worker has, oldest first: which of their lines are
 * written, which have begun, which are late. No descriptor in here: the owner writes and tells.
 *
 * A job that is given up while its line is in the pipe already leaves a tombstone in its place,
 * which swallows the answer when it comes.
 *
 * In a numbered window (worker/request_id.h) answers come in any order and all lines that were read
 * have begun; in any other they come in the order of the lines and only the oldest has.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/list.h"
#include "worker/job.h"

#define WINDOW_PARTS 3 /* of a line, at most: its number's head and tail are written with it */

/* Invariant: n == length of jobs; unsent is in jobs, or NULL with unsent_written == 0; n_tombstones
 * of the jobs are tombstones. */
struct window {
    struct list jobs; /* tombstones among them are owned */
    unsigned n;
    unsigned n_tombstones;
    bool numbered;
    uint64_t last_number;  /* the last that was given to a job of this process */
    struct job *unsent;    /* the first of them not wholly written; NULL: all are */
    size_t unsent_written; /* bytes of it written */
    bool probing;          /* ... they are a probe: nothing that could be begun */
    size_t n_ahead;        /* bytes of the next line that were written before there was one */
    uint64_t n_written;    /* bytes written in all */
    uint64_t soonest_ms;   /* no deadline of theirs is sooner; exact after window_late() */
};

void window_init(struct window *window);
/* A process was started. */
void window_open(struct window *window);
/* Whether lines have numbers from now on; none is written yet. */
void window_set_numbered(struct window *window, bool numbered);
void window_add(struct window *window, struct job *job);

/* NULL: there is none. A tombstone's answer is dropped: window_take() it. */
struct job *window_oldest(const struct window *window);
/* The job, or the tombstone, whose line has this number and has begun to leave; NULL: none. */
struct job *window_find(const struct window *window, uint64_t number);

/* Take a job out. A tombstone is freed, and NULL comes back. */
struct job *window_take(struct window *window, struct job *job);

/* Only tombstones are left in it: nobody waits for an answer. */
static inline bool window_is_deserted(const struct window *window)
{
    return window->n > 0 && window->n_tombstones == window->n;
}

/* Nobody is left who could answer them: free the tombstones. */
void window_drop_tombstones(struct window *window);

/* Whether a line has at least begun to leave: an answer will come. */
bool window_is_fed(const struct window *window);

/*
 * A probe is the start of the oldest line without its end, so that nobody can begin it: once it is
 * read the process is back at its input. The part of it that is still to be written, at most `max`
 * bytes; false: the line is too short for one.
 */
bool window_probe(struct window *window, size_t max, struct iovec *part);
/* It was read: the rest follows. */
void window_end_probe(struct window *window);
/* The first byte of a line, which is the same for all, was written while there was none. */
void window_wrote_ahead(struct window *window);

/* What is to be written next, in at most `max` parts. Returns their number, 0: nothing. */
int window_lines(struct window *window, struct iovec *lines, int max);
/* n bytes of that were written. */
void window_wrote(struct window *window, size_t n);
/* Whether something that is no line may be written now. */
bool window_is_between_lines(const struct window *window);
/* n bytes that are no line were written. */
void window_wrote_else(struct window *window, size_t n);

/* How many jobs have begun, always the oldest ones: the oldest alone, as soon as anything of it was
 * read; in a numbered window all that were wholly read. n_unread: bytes still in the pipe. */
unsigned window_n_begun(const struct window *window, size_t n_unread);

/* Of how many jobs anything was read, always the oldest ones: the process has them in its hands. */
unsigned window_n_held(const struct window *window, size_t n_unread);

/* Take a job out and leave its place to a tombstone, unless nothing of its line was written. */
struct job *window_give_up(struct window *window, struct job *job);

enum window_late {
    WINDOW_IN_TIME,
    WINDOW_LATE_JOB, /* *job is late and taken out of the window: it waits in the pipe, or others
                            run beside it */
    WINDOW_LATE_RUNNING, /* the oldest is late: the worker must end; never in a numbered window */
};

/* Look for a job past its deadline; again until WINDOW_IN_TIME. tombstone_ms: time for a tombstone;
 * in a numbered window it holds nobody up and has all. */
enum window_late window_late(struct window *window, uint64_t now_ms, uint64_t tombstone_ms,
                             struct job **job);

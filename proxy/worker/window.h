#pragma once

/*
 * window - the in-flight window: the jobs of a worker, the oldest first. Each job is one line for
 * the action's process. For each, the window knows whether the line was written, whether the
 * process has begun the job, and whether its time limit has passed. No descriptor is used here: the
 * owner writes the lines and reports what it wrote.
 *
 * If a job is given up after some of its line was written, a tombstone takes its place in the
 * window and absorbs the answer when that comes.
 *
 * In a numbered window lines have request ids (worker/request_id.h). Answers come in any order, and
 * every job whose line the process has read counts as begun. In any other window answers come in
 * the order of the lines, and only the oldest job has begun.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/list.h"
#include "worker/job.h"

#define WINDOW_PIECES 3 /* most iovecs of one line: head with request id, text, tail */

/* Invariants: `jobs` has n members, of which n_tombstones are tombstones. `unsent` is a member, or
 * NULL with unsent_written == 0. */
struct window {
    struct list jobs; /* the oldest first; borrowed, but tombstones among them are owned */
    unsigned n;
    unsigned n_tombstones;
    bool numbered;
    /* The process closed its answer pipes and went on: any line that it has read may have begun. */
    bool unheard;
    uint64_t last_number;  /* the last job->number that this process got; 0: none */
    struct job *unsent;    /* the first job whose line is not written in full; NULL: none */
    size_t unsent_written; /* how many bytes of the line of `unsent` are written */
    size_t n_prefix;     /* length of the oldest line's prefix (window_prefix()); 0: it has none */
    bool sent_brace;     /* the "{" of the next line was written before there was a job for it */
    uint64_t n_written;  /* all bytes written so far, also to earlier processes */
    uint64_t soonest_ms; /* no deadline is sooner than this; exact after window_late() */
};

void window_init(struct window *window);
/* Call when a new process was started: its lines have no request ids yet. */
void window_open(struct window *window);
/* Set whether lines have request ids from now on; no line may have been written yet. */
void window_set_numbered(struct window *window, bool numbered);
void window_add(struct window *window, struct job *job);

/* The oldest job or tombstone in the window; NULL: the window is empty. */
struct job *window_oldest(const struct window *window);
/* The job or tombstone with this request id, if its line is written at least in part; NULL:
 * none. */
struct job *window_find(const struct window *window, uint64_t number);

/* Take a job out of the window and return it. A tombstone is freed instead, and NULL returned. */
struct job *window_take(struct window *window, struct job *job);

/* Whether lines have request ids and only tombstones are left, so that nobody waits for an answer
 * of this process. */
static inline bool window_is_deserted(const struct window *window)
{
    return window->numbered && window->n > 0 && window->n_tombstones == window->n;
}

/* Free the tombstones. Call when the process is dead. */
void window_drop_tombstones(struct window *window);

/* Whether the oldest line has a prefix, and no more of that line was written. */
bool window_has_only_prefix(const struct window *window);
/* Whether a line is written at least in part, more than a prefix, so that an answer may come. */
bool window_awaits_answer(const struct window *window);

/*
 * A prefix is the start of the oldest line, a byte or two. A process that has read it waits for the
 * rest, and cannot begin the job yet: some begin, and even answer, before they have read a line to
 * its end. Returns where the one byte is that is to be written now; NULL: there is none.
 */
const char *window_prefix(struct window *window);
/* Record that the first byte of the next line was written before there was a job for it. That byte
 * is the same in all lines. */
void window_sent_brace(struct window *window);

/* Fill at most `max` iovecs with the bytes to write next. Returns how many are filled; 0: there is
 * nothing to write. */
int window_lines(struct window *window, struct iovec *lines, int max);
/* Record that n bytes of window_lines(), or of a prefix, were written. */
void window_wrote(struct window *window, size_t n);
/* Whether no line is written only in part, so that a control line may be written now. */
bool window_is_between_lines(const struct window *window);
/* Record that n bytes were written that belong to no job, such as a control line. */
void window_wrote_else(struct window *window, size_t n);

/* How many jobs have begun; they are always the oldest. With request ids a job has begun if its
 * line was read in full. Without request ids the oldest job has begun if a byte of its line behind
 * the prefix was read, and no other job has begun; but if the window is unheard, all have begun
 * that window_n_read() counts. n_unread: bytes still in the pipe. */
unsigned window_n_begun(const struct window *window, size_t n_unread);

/* How many jobs have a line that was read beyond its prefix; they are always the oldest. n_unread:
 * bytes still in the pipe. */
unsigned window_n_read(const struct window *window, size_t n_unread);

/* Whether the n bytes that were written last are `bytes`. Only lines of jobs in the window are
 * compared; the window does not keep what else was written. */
bool window_wrote_last(const struct window *window, const char *bytes, size_t n);

/* Take a job out of the window and return it. If any of its line was written, a tombstone takes its
 * place, and what is left of the line is still written: a line cannot be cut short. */
struct job *window_give_up(struct window *window, struct job *job);

enum window_late {
    WINDOW_IN_TIME,
    WINDOW_LATE_JOB,     /* *job is late and was taken out; the process can go on, as the job had
                            not begun or lines have request ids */
    WINDOW_LATE_RUNNING, /* the running job, or its tombstone, is late: the process must end;
                            never with request ids */
};

/* Find a job past its deadline. Call again until the result is WINDOW_IN_TIME. tombstone_ms: how
 * long a tombstone may be the oldest entry. With request ids a tombstone blocks no other job and
 * has no limit. */
enum window_late window_late(struct window *window, uint64_t now_ms, uint64_t tombstone_ms,
                             struct job **job);

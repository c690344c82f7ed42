#pragma once

/*
 * flight - the jobs that a worker has, oldest first: which of their lines are written, which have
 * begun, which are late. No descriptor in here: the owner writes and tells.
 *
 * A job that is given up while its line is in the pipe already leaves a ghost in its place, which
 * swallows the answer when it comes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/list.h"
#include "worker/job.h"

/* Invariant: n == length of jobs; unsent is in jobs, or NULL with unsent_written == 0. */
struct flight {
    struct list jobs; /* ghosts among them are owned */
    unsigned n;
    struct job *unsent;    /* the first of them not wholly written; NULL: all are */
    size_t unsent_written; /* bytes of it written */
    uint64_t soonest_ms;   /* no deadline of theirs is sooner; exact after flight_late() */
};

void flight_init(struct flight *flight);
void flight_add(struct flight *flight, struct job *job);

/* NULL: there is none. A ghost's answer is dropped: flight_take() it. */
struct job *flight_oldest(const struct flight *flight);

/* Take a job out. A ghost is freed, and NULL comes back. */
struct job *flight_take(struct flight *flight, struct job *job);

/* Whether a line has at least begun to leave: somebody waits for an answer. */
bool flight_is_fed(const struct flight *flight);

/* What is to be written next, at most `max` lines. Returns their number, 0: nothing. */
int flight_lines(const struct flight *flight, struct iovec *lines, int max);
/* n bytes of that were written. */
void flight_wrote(struct flight *flight, size_t n);

/* Whether the worker has read anything of what was written. n_unread: bytes still in the pipe. */
bool flight_has_begun(const struct flight *flight, size_t n_unread);

enum flight_late {
    FLIGHT_IN_TIME,
    FLIGHT_LATE_JOB,     /* *job waits in the pipe and is late; taken out of the flight */
    FLIGHT_LATE_RUNNING, /* the oldest is late: the worker must end */
};

/* Look for a job past its deadline; again until FLIGHT_IN_TIME. ghost_ms: time for a ghost. */
enum flight_late flight_late(struct flight *flight, uint64_t now_ms, uint64_t ghost_ms,
                             struct job **job);

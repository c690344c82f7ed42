#pragma once

/*
 * flight - the jobs that a worker has, oldest first: which of their lines are written, which have
 * begun, which are late. No descriptor in here: the owner writes and tells.
 *
 * A job that is given up while its line is in the pipe already leaves a ghost in its place, which
 * swallows the answer when it comes.
 *
 * In a numbered flight (worker/number.h) answers come in any order and all lines that were read have
 * begun; in any other they come in the order of the lines and only the oldest has.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/list.h"
#include "worker/job.h"

#define FLIGHT_PARTS 3 /* of a line, at most: its number's head and tail are written with it */

/* Invariant: n == length of jobs; unsent is in jobs, or NULL with unsent_written == 0; n_ghosts of
 * the jobs are ghosts. */
struct flight {
    struct list jobs; /* ghosts among them are owned */
    unsigned n;
    unsigned n_ghosts;
    bool numbered;
    uint64_t last_number;  /* the last that was given to a job */
    struct job *unsent;    /* the first of them not wholly written; NULL: all are */
    size_t unsent_written; /* bytes of it written */
    bool probing;          /* ... they are a probe: nothing that could be begun */
    size_t n_ahead;        /* bytes of the next line that were written before there was one */
    uint64_t n_written;    /* bytes written in all */
    uint64_t soonest_ms;   /* no deadline of theirs is sooner; exact after flight_late() */
};

void flight_init(struct flight *flight);
/* A process was started. */
void flight_open(struct flight *flight);
/* Whether lines have numbers from now on; none is written yet. */
void flight_set_numbered(struct flight *flight, bool numbered);
void flight_add(struct flight *flight, struct job *job);

/* NULL: there is none. A ghost's answer is dropped: flight_take() it. */
struct job *flight_oldest(const struct flight *flight);
/* The job, or the ghost, whose line has this number and has begun to leave; NULL: none. */
struct job *flight_find(const struct flight *flight, uint64_t number);

/* Take a job out. A ghost is freed, and NULL comes back. */
struct job *flight_take(struct flight *flight, struct job *job);

/* Only ghosts are left in it: nobody waits for an answer. */
static inline bool flight_is_deserted(const struct flight *flight)
{
    return flight->n > 0 && flight->n_ghosts == flight->n;
}

/* Nobody is left who could answer them: free the ghosts. */
void flight_drop_ghosts(struct flight *flight);

/* Whether a line has at least begun to leave: an answer will come. */
bool flight_is_fed(const struct flight *flight);

/*
 * A probe is the start of the oldest line without its end, so that nobody can begin it: once it is
 * read the process is back at its input. The part of it that is still to be written, at most `max`
 * bytes; false: the line is too short for one.
 */
bool flight_probe(struct flight *flight, size_t max, struct iovec *part);
/* It was read: the rest follows. */
void flight_end_probe(struct flight *flight);
/* The first byte of a line, which is the same for all, was written while there was none. */
void flight_wrote_ahead(struct flight *flight);

/* What is to be written next, in at most `max` parts. Returns their number, 0: nothing. */
int flight_lines(struct flight *flight, struct iovec *lines, int max);
/* n bytes of that were written. */
void flight_wrote(struct flight *flight, size_t n);

/* How many jobs have begun, always the oldest ones: the oldest alone, as soon as anything of it was
 * read; in a numbered flight all that were wholly read. n_unread: bytes still in the pipe. */
unsigned flight_n_begun(const struct flight *flight, size_t n_unread);

/* Of how many jobs anything was read, always the oldest ones: the process has them in its hands. */
unsigned flight_n_held(const struct flight *flight, size_t n_unread);

/* Take a job out and leave its place to a ghost, unless nothing of its line was written. */
struct job *flight_give_up(struct flight *flight, struct job *job);

enum flight_late {
    FLIGHT_IN_TIME,
    FLIGHT_LATE_JOB, /* *job is late and taken out of the flight: it waits in the pipe, or others
                            run beside it */
    FLIGHT_LATE_RUNNING, /* the oldest is late: the worker must end; never in a numbered flight */
};

/* Look for a job past its deadline; again until FLIGHT_IN_TIME. ghost_ms: time for a ghost; in a
 * numbered flight it holds nobody up and has all. */
enum flight_late flight_late(struct flight *flight, uint64_t now_ms, uint64_t ghost_ms,
                             struct job **job);

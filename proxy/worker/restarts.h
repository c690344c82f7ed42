#pragma once

/*
 * restarts - when a worker that ended may be started again, and when it is of no use to go on as
 * if nothing had happened.
 *
 * A death counts when no activation was lost with it: a start that failed, an end while idle. One
 * that an activation brought about is paid for, and the next start is at once.
 *
 * The first restart is at once, too. From the second death in a row on a pause comes before it,
 * doubled each time, and shortened by up to a quarter at random so that many containers of one
 * action do not all come back in the same moment. An answer ends the row; so does a long life.
 */

#include <stdbool.h>
#include <stdint.h>

struct restart_opts {
    uint64_t pause_ms;       /* before the second restart in a row */
    uint64_t pause_max_ms;   /* the longest pause */
    unsigned broken_after;   /* deaths in a row from which on the action is broken; 0: never */
    uint64_t broken_life_ms; /* who was ready for longer does not count as one of a row */
};

struct restarts {
    unsigned n_deaths; /* in a row, without an answer between */
    uint64_t at_ms;    /* not before this moment; loop time */
};

/* It ended. lived_ms: how long it was ready; chance: any number, for the jitter. */
void restarts_died(struct restarts *restarts, const struct restart_opts *opts, uint64_t now_ms,
                   uint64_t lived_ms, uint64_t chance);
/* It answered an activation. */
void restarts_worked(struct restarts *restarts);
/* Whether its deaths in a row are so many that starting it again is a probe and no more. */
bool restarts_are_broken(const struct restarts *restarts, const struct restart_opts *opts);

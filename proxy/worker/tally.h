#pragma once

/*
 * tally - counts of an action's processes: starts, ends, work.
 *
 * There is one tally for the program's life, while workers and pools come and go. Each start is
 * followed by one end, so starts minus ends is the number of running processes.
 */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/metrics.h"
#include "worker/death.h"

struct tally {
    uint64_t n_starts;
    uint64_t n_restarts;   /* starts of a worker's process after the first one */
    uint64_t n_distrusted; /* workers that answered when they had no job, each counted once */
    uint64_t n_deaths[N_DEATHS];
    uint64_t n_parts;            /* parts of answers */
    uint64_t part_bytes;         /* bytes of parts, without their marks ("+") and newlines */
    struct histogram first_part; /* time from giving a job to a worker to the first part */
    /* Time per answer. It begins when a line is written to an idle process or, if later, when the
     * previous answer came. With request ids it begins when the worker gets the job. */
    struct histogram work;
};

static inline void tally_started(struct tally *tally, bool is_restart)
{
    tally->n_starts++;
    tally->n_restarts += is_restart;
}

static inline void tally_died(struct tally *tally, enum death death)
{
    assert(death > DEATH_NONE && death < N_DEATHS);
    tally->n_deaths[death]++;
}

static inline void tally_part(struct tally *tally, size_t n_bytes)
{
    tally->n_parts++;
    tally->part_bytes += n_bytes;
}

#pragma once

/*
 * tally - counts of an action's processes: starts, ends, work.
 *
 * One for the program's life; workers and pools come and go. Each start is followed by one end, so
 * starts minus ends are running processes.
 */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/metrics.h"
#include "worker/death.h"

struct tally {
    uint64_t n_starts;
    uint64_t n_restarts;   /* starts of a worker after its first */
    uint64_t n_distrusted; /* workers that wrote an answer without a job, each counted once */
    uint64_t n_deaths[N_DEATHS];
    uint64_t n_parts;            /* parts of answers */
    uint64_t part_bytes;         /* bytes of parts, without marks and newlines */
    struct histogram first_part; /* time from a line to the first part of its answer */
    struct histogram work;       /* time per answer: from its line, or the answer before it, to
                              the answer; with request ids always from its line */
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

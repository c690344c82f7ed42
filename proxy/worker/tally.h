#pragma once

/*
 * tally - what is counted of the processes of an action: their starts, their ends, their work.
 *
 * One tally for the program's life; workers and pools come and go. Each start is followed by one
 * end, so starts less ends are the processes that run.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/metrics.h"
#include "worker/death.h"

struct tally {
    uint64_t n_starts;
    uint64_t n_restarts;   /* starts of a worker after its first */
    uint64_t n_distrusted; /* workers that spoke out of turn, for the first time */
    uint64_t n_deaths[N_DEATHS];
    uint64_t n_parts;            /* of answers */
    uint64_t part_bytes;         /* ... without marks and newlines */
    struct histogram first_part; /* from the line to the first part of its answer */
    struct histogram work; /* per answer: from the line, or the answer before it, to the answer;
                              where lines have numbers: from its own line */
};

void tally_started(struct tally *tally, bool is_restart);
void tally_died(struct tally *tally, enum death death);
void tally_distrusted(struct tally *tally);
void tally_first_part(struct tally *tally, uint64_t us);
void tally_part(struct tally *tally, size_t n_bytes);
/* n answers took so long each. */
void tally_work(struct tally *tally, uint64_t us, unsigned n);

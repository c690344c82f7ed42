#pragma once

/*
 * tally - what is counted of the processes of an action: their starts, their ends, their work.
 *
 * One tally for the program's life; workers and pools come and go. Each start is followed by one
 * end, so starts less ends are the processes that run.
 */

#include <stdint.h>
#include <sys/types.h>

#include "base/metrics.h"
#include "worker/worker.h"

/* Why a process ended. Another cause: a word here, one in tally.c, a line in tally_cause(). */
enum cause {
    CAUSE_EXITED,        /* by itself, with a status */
    CAUSE_SIGNALLED,     /* by a signal that is not ours */
    CAUSE_DEADLINE,      /* ended by us: an activation's deadline passed */
    CAUSE_START_TIMEOUT, /* ... it was not ready in time */
    CAUSE_REFUSED,       /* its ready line says no, or is none */
    CAUSE_HUNG,          /* ended by us: it closed its answers, or does not read any more */
    CAUSE_STOPPED,       /* ended by us: it is not wanted any more */
    CAUSE_MEMORY,        /* by the kernel: the container's memory was used up */
    CAUSE_CPU,           /* ... --rlimit-cpu was */
    CAUSE_FILE_SIZE,     /* ... --rlimit-fsize was */
    CAUSE_UNSPAWNED,     /* the system or the program did not let it begin */
    N_CAUSES
};

struct tally {
    uint64_t n_starts;
    uint64_t n_restarts;   /* starts of a worker after its first */
    uint64_t n_distrusted; /* workers that spoke out of turn, for the first time */
    uint64_t n_deaths[N_CAUSES];
    uint64_t n_parts;            /* of answers */
    uint64_t part_bytes;         /* ... without marks and newlines */
    struct histogram first_part; /* from the line to the first part of its answer */
    struct histogram work; /* per answer: from the line, or the answer before it, to the answer;
                              where lines have numbers: from its own line */
};

/* The words for people and for labels. */
const char *cause_name(enum cause cause);
const char *worker_state_name(enum worker_state state);

/* ---- for worker.c ---- */

/* Why a worker whose process has ended did so, by its facts and its wait status. */
enum cause tally_cause(const struct worker *worker);
/* It has a process. */
void tally_started(struct worker *worker);
/* It could not get one: a start and its end in one. */
void tally_unspawned(struct worker *worker, const struct err *err);
/* Its process has ended, in the state that the worker is still in. */
void tally_ended(const struct worker *worker);

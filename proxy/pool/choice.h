#pragma once

/*
 * choice - which worker gets the next job.
 *
 * Of the workers that have room, the one with the fewest jobs gets it; workers with equally many
 * take turns. While the pool has CHOICE_SPREAD_JOBS jobs or more, the chosen worker gets several
 * jobs in a row, because these cost one write and one wake-up together.
 *
 * If activations are short, waking another process costs more than the work. So a worker that is
 * likely to be done soon (worker_is_soon_done()) gets the next job, too. And while the pool has
 * CHOICE_SPREAD_JOBS jobs or more, workers beyond the first n_light get no such short work.
 */

#include <stdbool.h>
#include <stdint.h>

struct worker;

/* With fewer jobs than this in the pool, each job goes to the worker with the fewest jobs, unless
 * another worker is likely to be done soon. The number is a guess. */
#define CHOICE_SPREAD_JOBS 8

struct choice {
    struct worker **workers; /* the array is owned, the workers are borrowed */
    unsigned n_workers;      /* at least 1 */
    unsigned n_light;        /* how many workers get light work; at least 1 */
    /* index of the worker to consider first; workers take turns only while their batch is 1 */
    unsigned next;
};

/* Allocate the array of workers; the caller then fills workers[0 .. n_workers). */
void choice_init(struct choice *choice, unsigned n_workers, unsigned n_light);
void choice_done(struct choice *choice);

/* Choose the worker for the next job. NULL: no worker has room. last: the worker that got the
 * previous job, if several jobs are given out in a row; NULL: this is the first of them. n_jobs:
 * how many jobs of the pool are not answered yet, queued or running. now_ns: from loop_clock_ns().
 */
struct worker *choice_next(struct choice *choice, struct worker *last, unsigned n_jobs,
                           uint64_t now_ns);
/* Whether only the first n_light workers are chosen: there are more workers than these, at least
 * CHOICE_SPREAD_JOBS jobs, and one of the first n_light workers has light work. */
bool choice_is_light(const struct choice *choice, unsigned n_jobs, uint64_t now_ns);

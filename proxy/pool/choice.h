#pragma once

/*
 * choice - which worker gets the next job.
 *
 * Of the workers with room, the one with the fewest jobs; those with as many take turns.
 *
 * But waking another process costs more than light work (worker_has_light_work()). So of the first
 * n_light workers, one that is likely to be done soon (worker_is_soon_done()) gets the job. With
 * CHOICE_SPREAD_JOBS jobs or more, a worker gets several in a row, for one write and one wake-up,
 * and no other worker than those first ones gets light work.
 */

#include <stdbool.h>
#include <stdint.h>

struct worker;

/* With fewer jobs in all, each goes to the least busy worker, unless all work is light. A guessed
 * number. */
#define CHOICE_SPREAD_JOBS 8

struct choice {
    struct worker **workers; /* owned; the workers are borrowed */
    unsigned n_workers;      /* at least 1 */
    unsigned n_light;        /* at least 1 */
    unsigned next;           /* index of the worker to consider first */
};

/* The caller fills workers[0 .. n_workers). */
void choice_init(struct choice *choice, unsigned n_workers, unsigned n_light);
void choice_done(struct choice *choice);

/* Choose a worker. NULL: none has room. last: the worker chosen before in this turn; NULL: none.
 * n_jobs: jobs that are not answered yet, queued or running. now_ns: from loop_clock_ns(). */
struct worker *choice_next(struct choice *choice, struct worker *last, unsigned n_jobs,
                           uint64_t now_ns);
/* Whether the work is light, and one of the first n_light workers is getting on with it. Then no
 * other worker is chosen. */
bool choice_is_light(const struct choice *choice, unsigned n_jobs, uint64_t now_ns);

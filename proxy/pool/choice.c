#include "pool/choice.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "worker/worker.h"

void choice_init(struct choice *choice, unsigned n_workers, unsigned n_light)
{
    assert(n_workers > 0 && n_light > 0);
    memset(choice, 0, sizeof(*choice));
    choice->workers = xcalloc(n_workers, sizeof(*choice->workers));
    choice->n_workers = n_workers;
    choice->n_light = n_light < n_workers ? n_light : n_workers;
}

void choice_done(struct choice *choice)
{
    free(choice->workers);
    memset(choice, 0, sizeof(*choice));
}

bool choice_is_light(const struct choice *choice, unsigned n_jobs, uint64_t now_ns)
{
    if (choice->n_light == choice->n_workers || n_jobs < CHOICE_SPREAD_JOBS)
        return false;
    for (unsigned i = 0; i < choice->n_light; i++)
        if (worker_has_light_work(choice->workers[i], now_ns))
            return true;
    return false;
}

/* Whether `worker`, which got the previous job (NULL: none did), also gets the next one. */
static bool takes_next(const struct worker *worker, unsigned n_jobs, uint64_t now_ns)
{
    return worker != NULL && n_jobs >= CHOICE_SPREAD_JOBS && worker_room(worker) > 0 &&
           worker_n_jobs(worker) < worker_batch(worker) && !worker_is_stalled(worker, now_ns);
}

/* The first worker that is likely to be done soon. NULL: none. */
static struct worker *soon_done(const struct choice *choice, uint64_t now_ns)
{
    for (unsigned i = 0; i < choice->n_light; i++)
        if (worker_is_soon_done(choice->workers[i], now_ns))
            return choice->workers[i];
    return NULL;
}

struct worker *choice_next(struct choice *choice, struct worker *last, unsigned n_jobs,
                           uint64_t now_ns)
{
    struct worker *best = NULL;
    unsigned chosen = 0;
    unsigned n;

    assert(choice->next < choice->n_workers);
    if (takes_next(last, n_jobs, now_ns))
        return last;
    if (choice->n_workers > 1 && (best = soon_done(choice, now_ns)) != NULL)
        return best;
    n = choice_is_light(choice, n_jobs, now_ns) ? choice->n_light : choice->n_workers;
    for (unsigned i = 0; i < n && (best == NULL || worker_n_jobs(best) > 0); i++) {
        unsigned at = (choice->next + i) % n;
        struct worker *worker = choice->workers[at];

        if (worker_room(worker) > 0 && worker_is_better(worker, best, now_ns)) {
            best = worker;
            chosen = at;
        }
    }
    if (best != NULL)
        choice->next = worker_batch(best) > 1 ? 0 : (chosen + 1) % n;
    return best;
}

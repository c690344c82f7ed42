#pragma once

/*
 * pool - the workers of one action and the activations that wait for them.
 *
 * A job goes to a worker with room, else it queues in order, within bounds. A worker that ended is
 * restarted with backoff (pool/backoff.h).
 *
 * Circuit breaker: after `broken_after` idle or start crashes in a row, with no worker ready, jobs
 * fail at once (JOB_UNSTARTED) and one worker at a time is started as a probe. The first that gets
 * ready closes the circuit. Users read this state as "broken".
 *
 *              a worker is ready          too many crashes
 *    STARTING ──────────────────► SERVING ────────────────► BROKEN
 *                                    ▲                       │
 *                                    └───────────────────────┘ a probe is ready
 *
 * pool_retire() leads from each of these to RETIRED, pool_stop() from every state to STOPPING.
 */

#include <stdbool.h>

#include "base/usage.h"
#include "pool/backoff.h"
#include "pool/choice.h"
#include "pool/zygote.h"
#include "worker/worker.h"

struct pool_opts {
    unsigned n_workers; /* 1 and more */
    unsigned n_light;   /* short activations stay with this many first workers; at least 1 */
    unsigned queue_max; /* jobs waiting for a worker */
    struct backoff_opts restart;
    struct worker_opts worker;
};

enum pool_state {
    POOL_STARTING, /* no worker has been ready yet; a failed start is not repeated */
    POOL_SERVING,
    POOL_BROKEN,   /* the circuit is open; why_open says why */
    POOL_RETIRED,  /* running jobs end, no worker is started */
    POOL_STOPPING, /* no job is begun, no worker is started */
};

struct pool;
/* A start has ended: err->kind == ERR_NONE if a worker is ready. */
typedef void pool_started_fn(void *owner, const struct err *err);

/* Something has changed in a retired pool: jobs came back, or it has become empty. This function
 * may free the pool. */
typedef void pool_retired_fn(void *owner);

struct pool_worker {
    struct worker worker;
    struct pool *pool;         /* the pool that the worker belongs to */
    struct zygote_order order; /* in the zygote's list while the process is being forked */
    struct backoff backoff;
    bool up;                 /* started, and its end has not been handled yet */
    bool cost_a_job;         /* an activation failed with this process: no backoff */
    uint64_t n_given_before; /* pool.n_given when it ended */
};

struct pool {
    struct loop *loop;     /* borrowed */
    struct exec_spec spec; /* owned */
    struct pool_opts opts;
    struct output *out; /* borrowed */
    struct output *err; /* borrowed */
    struct pool_worker *workers;
    struct choice choice;  /* chooses among `workers` */
    struct zygote *zygote; /* owned; workers are forked from it. NULL: each loads the action */
    struct list queue;     /* jobs, oldest first */
    unsigned n_queued;
    unsigned n_running; /* jobs that a worker has */
    uint64_t n_given;   /* times that a job was given to a worker */
    struct loop_post dispatch;
    struct job_holder holder; /* the holder of the queued jobs */
    struct loop_timer late;   /* the soonest deadline in the queue */
    struct loop_timer look;   /* set while light work waits though workers are idle: look_again() */
    struct loop_timer restart; /* the soonest moment at which a worker may be started again */
    struct output_waiter room; /* waits while our logs are full; no activation begins then */
    pool_started_fn *started;  /* NULL once it was called */
    void *started_owner;
    pool_retired_fn *retired; /* NULL until pool_retire() */
    void *retired_owner;
    enum pool_state state;
    char why_open[sizeof(((struct job *)NULL)->reason)];
};

/* Takes spec over (and leaves zeroes). out, err: our own stdout and stderr, borrowed. */
struct pool *pool_new(struct loop *loop, struct exec_spec *spec, const struct pool_opts *opts,
                      struct output *out, struct output *err);
/* Kills running processes. All jobs must be done. */
void pool_free(struct pool **pool);

/*
 * Start the workers; started(owner, err) follows once, from the loop.
 * waiting   a launcher that runs already and becomes the first worker; NULL: none. Taken over.
 * line      the line for which that launcher waits; taken over
 */
void pool_start(struct pool *pool, const struct spawned *waiting, struct buf *line,
                pool_started_fn *started, void *owner);

/* The action is known to work: start no worker before the first job, and restart any that fails. */
void pool_start_on_demand(struct pool *pool);

/*
 * Like pool_start(), but the action is loaded once, by a zygote from which the workers are forked.
 * spec      how to start the zygote; taken over
 * waiting   a launcher that runs already and becomes the zygote; NULL: none. Taken over.
 * line      the line that the zygote must read first; taken over
 */
void pool_start_forked(struct pool *pool, struct exec_spec *spec, const struct spawned *waiting,
                       struct buf *line, pool_started_fn *started, void *owner);

/* Take a job over until its `done`. false: the queue is full, and the job stays the caller's.
 * queue_max does not count jobs that are about to begin: one for each place in a worker, and one
 * for each worker that is restarting. */
bool pool_submit(struct pool *pool, struct job *job);

/* Whether a worker is ready, busy or not. */
bool pool_is_ready(const struct pool *pool);
/* Jobs that are not answered yet. */
static inline unsigned pool_n_jobs(const struct pool *pool)
{
    return pool->n_queued + pool->n_running;
}
/* The process id of the worker whose output was passed to output_add() with this owner. 0: no
 * worker of this pool. */
pid_t pool_writer(const struct pool *pool, const void *owner);
/* Count the workers by their state, and add what their processes and the zygote use. Workers that
 * are down are counted only where they can be started again. */
void pool_look(const struct pool *pool, unsigned n_by_state[WORKER_STATES], struct usage *usage);
/* Number of processes that are left: workers and the zygote. */
unsigned pool_n_processes(const struct pool *pool);

/* End the workers: SIGTERM, later SIGKILL. Running jobs die with them, others end as JOB_ABANDONED,
 * from the loop. `started` is not called any more. */
void pool_stop(struct pool *pool);

/*
 * Another pool serves from now on: running jobs finish here, then the input of each worker is
 * closed and it ends. No worker is started, and `started` is not called any more. retired(owner) is
 * called from the loop after each change, at least once. Queued jobs stay: see pool_take_queued().
 */
void pool_retire(struct pool *pool, pool_retired_fn *retired, void *owner);
/* Put the queued jobs of `from` before those of `to`, even beyond queue_max: these jobs were
 * accepted. */
void pool_take_queued(struct pool *to, struct pool *from);

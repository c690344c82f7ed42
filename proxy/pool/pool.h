#pragma once

/*
 * pool - the workers of one action and the activations that wait for them.
 *
 * A job goes to a worker with room. If there is none, the job waits in a queue of bounded length. A
 * worker that ended is restarted with backoff (pool/backoff.h).
 *
 * Circuit breaker: after `broken_after` crashes in a row, at the start or while idle, the circuit
 * opens if no worker is ready. Then jobs fail at once (JOB_UNSTARTED), and one worker at a time is
 * started as a trial. The first that becomes ready closes the circuit. To users an open circuit is
 * reported as "broken".
 *
 *              a worker is ready          too many crashes
 *    STARTING ──────────────────► SERVING ────────────────► BROKEN
 *                                    ▲                       │
 *                                    └───────────────────────┘ a worker is ready
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
    unsigned n_workers; /* at least 1 */
    unsigned n_light;   /* short activations use only so many workers: processors - 1, or 1 */
    unsigned queue_max; /* most jobs that wait for a worker */
    struct backoff_opts restart;
    struct worker_opts worker;
};

enum pool_state {
    POOL_STARTING, /* no worker has been ready yet; a failed start is not repeated */
    POOL_SERVING,
    POOL_BROKEN,   /* the circuit is open; why_open says why */
    POOL_RETIRED,  /* running jobs are finished, but no worker is started */
    POOL_STOPPING, /* no job is begun, no worker is started */
};

struct pool;
/* Called when the start of a pool has ended. err->kind == ERR_NONE: a worker is ready, else err
 * says why none is. */
typedef void pool_started_fn(void *owner, const struct err *err);

/* Called when something has changed in a retired pool: workers gave jobs back, or the pool has
 * become empty. This function may free the pool. */
typedef void pool_retired_fn(void *owner);

struct pool_worker {
    struct worker worker;
    struct pool *pool;         /* the pool that the worker belongs to */
    struct zygote_order order; /* request to the zygote to fork the worker's process */
    struct backoff backoff;
    bool up;                 /* the worker was started, and its end was not handled yet */
    bool cost_a_job;         /* an activation failed with this process: restart without backoff */
    uint64_t n_given_before; /* value of pool.n_given when the worker last ended */
};

struct pool {
    struct loop *loop;     /* borrowed */
    struct exec_spec spec; /* owned */
    struct pool_opts opts;
    struct output *out; /* borrowed */
    struct output *err; /* borrowed */
    struct pool_worker *workers;
    struct choice choice;  /* chooses among `workers` */
    struct zygote *zygote; /* owned; forks the workers. NULL: each worker loads the action */
    struct list queue;     /* jobs, oldest first */
    unsigned n_queued;
    unsigned n_running; /* how many jobs the workers have */
    uint64_t n_given;   /* how often a job was given to a worker */
    struct loop_post dispatch;
    struct job_holder holder;  /* job->holder of queued jobs; asked: one of them needs attention */
    struct loop_timer late;    /* fires at the soonest deadline in the queue */
    struct loop_timer look;    /* fires to check if activations are still short: look_again() */
    struct loop_timer restart; /* fires when the next worker may be started again */
    struct output_waiter room; /* waits while our logs are full; no activation begins then */
    pool_started_fn *started;  /* called when the start has ended; NULL: was called, or unwanted */
    void *started_owner;
    pool_retired_fn *retired; /* called after each change in a retired pool; NULL: not retired */
    void *retired_owner;
    enum pool_state state;
    char why_open[sizeof(((struct job *)NULL)->reason)];
};

/* Takes the members of *spec over, and zeroes it. out, err: our own stdout and stderr, borrowed. */
struct pool *pool_new(struct loop *loop, struct exec_spec *spec, const struct pool_opts *opts,
                      struct output *out, struct output *err);
/* Kills running processes. All jobs must be done. */
void pool_free(struct pool **pool);

/*
 * Start the workers. started(owner, err) is called once, later, from the loop.
 * waiting   a launcher that runs already and becomes the first worker; NULL: none. Taken over.
 * line      the line that this launcher waits for; taken over
 */
void pool_start(struct pool *pool, const struct spawned *waiting, struct buf *line,
                pool_started_fn *started, void *owner);

/* For an action that is known to work: start no worker before the first job, but then restart any
 * that fails. */
void pool_start_on_demand(struct pool *pool);

/*
 * Like pool_start(), but the action is loaded once, by a zygote from which the workers are forked.
 * spec      how to start the zygote; taken over
 * waiting   a launcher that runs already and becomes the zygote; NULL: none. Taken over.
 * line      the line that the zygote must read first; taken over
 */
void pool_start_forked(struct pool *pool, struct exec_spec *spec, const struct spawned *waiting,
                       struct buf *line, pool_started_fn *started, void *owner);

/* Take a job over until its `done` is called. false: the queue is full, and the job stays the
 * caller's. queue_max does not count jobs that are about to begin: as many as the workers have room
 * for, and one for each worker that is not ready yet. */
bool pool_submit(struct pool *pool, struct job *job);

/* Whether a worker is ready, busy or not. */
bool pool_is_ready(const struct pool *pool);
/* How many jobs are not answered yet, queued or running. */
static inline unsigned pool_n_jobs(const struct pool *pool)
{
    return pool->n_queued + pool->n_running;
}
/* The process id of the worker whose output was passed to output_add() with this `owner`. 0: no
 * worker of this pool has this `owner`. */
pid_t pool_writer(const struct pool *pool, const void *owner);
/* Count the workers by their state, and add to `usage` the memory and processor time of their
 * processes and of the zygote. Workers that are down are counted only if they may be started
 * again. */
void pool_look(const struct pool *pool, unsigned n_by_state[WORKER_STATES], struct usage *usage);
/* How many processes are left: those of the workers, and the zygote. */
unsigned pool_n_processes(const struct pool *pool);

/* End the workers: SIGTERM, later SIGKILL. Running jobs end with their workers, queued jobs as
 * JOB_ABANDONED. Both end later, from the loop. `started` is not called any more. */
void pool_stop(struct pool *pool);

/*
 * Call when another pool serves from now on. Running jobs are finished here, then each worker is
 * ended by closing its input. No worker is started, and `started` is not called any more.
 * retired(owner) is called from the loop after each change, at least once. Queued jobs stay here
 * until pool_take_queued().
 */
void pool_retire(struct pool *pool, pool_retired_fn *retired, void *owner);
/* Move the queued jobs of `from` to the queue of `to`, before its own jobs. queue_max does not
 * matter, since these jobs were accepted already. to: NULL: no pool serves, and the jobs end as
 * JOB_ABANDONED. */
void pool_take_queued(struct pool *to, struct pool *from);

#pragma once

/*
 * pool - the workers of one action and the activations that wait for them.
 *
 * A job goes to a worker with room, else it queues in order, within bounds. A worker that ended is
 * restarted with backoff (worker/backoff.h).
 *
 * Circuit breaker: after `broken_after` idle or start crashes in a row, with no worker ready, jobs
 * fail at once (JOB_UNSTARTED) and one worker at a time is started as a probe. The first that gets
 * ready closes the circuit. Users read this state as "broken".
 */

#include <stdbool.h>

#include "worker/backoff.h"
#include "worker/worker.h"
#include "worker/zygote.h"

struct pool_opts {
    unsigned n_workers; /* 1 and more */
    unsigned queue_max; /* jobs waiting for a worker */
    struct backoff_opts restart;
    struct worker_opts worker;
};

struct pool;
/* A start has come to its end: err->kind == ERR_NONE when a worker is ready. */
typedef void pool_started_fn(void *owner, const struct err *err);

/* Something has changed in a retired pool: jobs came back, or it has become empty. It may be freed
 * from in here. */
typedef void pool_retired_fn(void *owner);

struct pool_worker {
    struct worker worker;
    struct pool *pool;         /* the one it belongs to */
    struct zygote_order order; /* while it is being made */
    struct backoff backoff;
    bool up;                 /* it was started, and its end was not looked at yet */
    bool cost_a_job;         /* an activation ended it, or ends with it */
    uint64_t n_given_before; /* pool.n_given when it ended */
};

struct pool {
    struct loop *loop;     /* borrowed */
    struct exec_spec spec; /* owned */
    struct pool_opts opts;
    struct output *out; /* borrowed */
    struct output *err; /* borrowed */
    struct pool_worker *workers;
    struct zygote *zygote; /* owned; workers are made of it. NULL: each loads the action itself */
    struct list queue;     /* jobs, oldest first */
    unsigned n_queued;
    unsigned n_running; /* jobs that a worker has */
    uint64_t n_given;   /* times that a job was given to a worker */
    unsigned next;      /* index of the worker that is asked first: ties go in turn */
    struct loop_post dispatch;
    struct job_holder holder;  /* of what is queued */
    struct loop_timer late;    /* the soonest deadline in the queue */
    struct loop_timer restart; /* the soonest moment at which a worker may be started again */
    struct output_waiter room; /* while nobody reads our logs no activation begins */
    pool_started_fn *started;  /* NULL once it was called */
    void *started_owner;
    pool_retired_fn *retired; /* NULL until pool_retire() */
    void *retired_owner;
    bool serving;      /* a worker was ready once: the action works */
    bool stopping;     /* no worker is started any more */
    bool circuit_open; /* too many deaths in a row, and no worker is ready */
    char why_open[sizeof(((struct job *)NULL)->reason)];
};

/* Takes spec over (and leaves zeroes). out, err: our own streams, borrowed. */
struct pool *pool_new(struct loop *loop, struct exec_spec *spec, const struct pool_opts *opts,
                      struct output *out, struct output *err);
/* Kills what still runs; its jobs must have been answered. */
void pool_free(struct pool **pool);

/*
 * Start the workers; started(owner, err) follows once, from the loop.
 * waiting   a launcher that runs already and becomes the first worker; NULL: none. Taken over.
 * line      what it waits to hear; taken over
 */
void pool_start(struct pool *pool, const struct spawned *waiting, struct buf *line,
                pool_started_fn *started, void *owner);

/*
 * The same, and the action is loaded once: workers are made by fork of a launcher that has loaded
 * it, see worker/zygote.h.
 * spec      how to start that launcher; taken over
 * waiting   ... or one that runs already; NULL: none. Taken over.
 * line      what it must hear first; taken over
 */
void pool_start_forked(struct pool *pool, struct exec_spec *spec, const struct spawned *waiting,
                       struct buf *line, pool_started_fn *started, void *owner);

/* Take a job over until its `done`. false: the queue is full, the job stays the caller's. One job
 * for each worker that is free, or on its way back after an end, takes no place in the queue. */
bool pool_submit(struct pool *pool, struct job *job);

/* Jobs that are not answered yet. */
unsigned pool_n_jobs(const struct pool *pool);
/* Whether what was added to an output stream in this owner's name came from one of its workers. */
bool pool_is_writer(const struct pool *pool, const void *owner);
/* ... and from which process; 0: from none of them. */
pid_t pool_writer(const struct pool *pool, const void *owner);
/* Worker processes that are still there, and the one that they are made of. */
unsigned pool_n_processes(const struct pool *pool);

/* End the workers (SIGTERM, later SIGKILL); a start under way is not told of any more; running jobs
 * die with them, those that did not begin are answered as JOB_ABANDONED, from the loop. */
void pool_stop(struct pool *pool);

/*
 * Another pool serves from now on: running jobs go on to their ends here, then the workers leave by
 * the end of their input, and none is started any more, nor is its start told. retired(owner)
 * follows from the loop after each change, at least once. Queued jobs stay until they are taken:
 * see below.
 */
void pool_retire(struct pool *pool, pool_retired_fn *retired, void *owner);
/* Put what waits in `from` before all that waits in `to`, whatever its bound: it was admitted. */
void pool_take_queued(struct pool *to, struct pool *from);

#include "pool/pool.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

#define WHY_MAX 160 /* most bytes of a start error in why_open, which says why the circuit opened */
#define LOOK_MS 2   /* time until we check whether activations are still short */

static void start_what_is_down(struct pool *pool);

static void pool_move(struct pool *pool, enum pool_state next)
{
    static const unsigned may_follow[] = {
        [POOL_STARTING] = BIT(POOL_SERVING) | BIT(POOL_RETIRED) | BIT(POOL_STOPPING),
        [POOL_SERVING] = BIT(POOL_BROKEN) | BIT(POOL_RETIRED) | BIT(POOL_STOPPING),
        [POOL_BROKEN] = BIT(POOL_SERVING) | BIT(POOL_RETIRED) | BIT(POOL_STOPPING),
        [POOL_RETIRED] = BIT(POOL_STOPPING),
        [POOL_STOPPING] = 0,
    };

    assert(may_follow[pool->state] & BIT(next));
    pool->state = next;
}

/* Whether workers that ended are started again. */
static bool restarts(const struct pool *pool)
{
    return pool->state == POOL_SERVING || pool->state == POOL_BROKEN;
}

/* Start the worker's process, by fork of the zygote if there is one. */
static void start(struct pool_worker *pw)
{
    struct zygote *zygote = pw->pool->zygote;

    assert(!pw->up);
    pw->up = true;
    pw->cost_a_job = false;
    if (zygote == NULL || !zygote_take_order(zygote, &pw->order))
        worker_start(&pw->worker);
}

void pool_start(struct pool *pool, const struct spawned *waiting, struct buf *line,
                pool_started_fn *started, void *owner)
{
    assert(pool->state == POOL_STARTING);
    pool->started = started;
    pool->started_owner = owner;
    if (waiting != NULL) {
        pool->workers[0].up = true;
        worker_adopt(&pool->workers[0].worker, waiting, line);
    }
    for (unsigned i = waiting != NULL; i < pool->opts.n_workers; i++)
        start(&pool->workers[i]);
}

void pool_start_on_demand(struct pool *pool)
{
    pool_move(pool, POOL_SERVING);
}

static void on_made(struct zygote_order *order, const struct spawned *spawned,
                    const struct err *err)
{
    struct pool_worker *pw = container_of(order, struct pool_worker, order);
    struct buf nothing = {0}; /* a forked worker has the action already and waits for no line */

    assert(spawned == NULL || err == NULL);
    if (spawned != NULL) {
        worker_adopt(&pw->worker, spawned, &nothing);
    } else if (err != NULL) {
        worker_fail_start(&pw->worker, err);
    } else {
        worker_start(&pw->worker);
    }
}

void pool_start_forked(struct pool *pool, struct exec_spec *spec, const struct spawned *waiting,
                       struct buf *line, pool_started_fn *started, void *owner)
{
    assert(pool->zygote == NULL);
    pool->zygote = zygote_new(pool->loop, spec, line, &pool->opts.worker, pool->out, pool->err);
    zygote_start(pool->zygote, waiting);
    pool_start(pool, NULL, NULL, started, owner);
}

/* ---- the queue ---- */

static void watch_deadlines(struct pool *pool)
{
    uint64_t soonest_ms = UINT64_MAX;

    list_each(node, &pool->queue) {
        const struct job *job = list_item(node, struct job, node);

        if (job->deadline_at_ms < soonest_ms)
            soonest_ms = job->deadline_at_ms;
    }
    if (soonest_ms == UINT64_MAX)
        loop_timer_clear(&pool->late);
    else
        loop_timer_set(pool->loop, &pool->late, soonest_ms);
}

static void enqueue(struct pool *pool, struct job *job, bool at_head)
{
    assert(job->outcome == JOB_PENDING);
    list_add_before(at_head ? pool->queue.next : &pool->queue, &job->node);
    pool->n_queued++;
    job->holder = &pool->holder;
    pool->holder.asked |= job->is_cancelled;
    /* Set the timer only if it must fire sooner. If it fires too early, sweep() sets it anew. */
    if (job->deadline_at_ms != JOB_BY_TURN &&
        (!loop_timer_is_set(&pool->late) || job->deadline_at_ms * 1000 < pool->late.at_us))
        loop_timer_set(pool->loop, &pool->late, job->deadline_at_ms);
    loop_post(pool->loop, &pool->dispatch);
}

static struct job *dequeue(struct pool *pool, struct list *node)
{
    assert(pool->n_queued > 0);
    list_remove(node);
    pool->n_queued--;
    assert((pool->n_queued == 0) == list_empty(&pool->queue));
    if (pool->n_queued == 0)
        loop_timer_clear(&pool->late); /* otherwise an idle proxy would wake up for it */
    return list_item(node, struct job, node);
}

/* End a queued job with this outcome, and write its sentinels. */
static void finish_queued(struct pool *pool, struct list *node, enum job_outcome outcome,
                          const char *reason)
{
    struct job *job = dequeue(pool, node);

    assert(outcome != JOB_PENDING && outcome != JOB_ANSWERED);
    job->outcome = outcome;
    (void)snprintf(job->reason, sizeof(job->reason), "%s", reason);
    forwarder_write_sentinels(pool->out, pool->err);
    output_flush(pool->out);
    output_flush(pool->err);
    job->done(job);
}

static void finish_all_queued(struct pool *pool, enum job_outcome outcome, const char *reason)
{
    while (!list_empty(&pool->queue))
        finish_queued(pool, pool->queue.next, outcome, reason);
}

static bool is_late(const struct pool *pool, struct list *node)
{
    return list_item(node, struct job, node)->deadline_at_ms <= loop_now_ms(pool->loop);
}

/* End the queued jobs that are cancelled or late. */
static void sweep(struct pool *pool)
{
    struct list *next;

    pool->holder.asked = false;
    for (struct list *node = pool->queue.next; node != &pool->queue; node = next) {
        next = node->next;
        if (list_item(node, struct job, node)->is_cancelled)
            finish_queued(pool, node, JOB_CANCELLED, "");
        else if (is_late(pool, node))
            finish_queued(pool, node, JOB_LATE, "");
    }
    watch_deadlines(pool);
}

static void on_late(struct loop_timer *timer)
{
    sweep(container_of(timer, struct pool, late));
}

/* ---- giving jobs to workers ---- */

static void on_room(struct output_waiter *waiter)
{
    struct pool *pool = container_of(waiter, struct pool, room);

    loop_post(pool->loop, &pool->dispatch);
}

/* Whether one of our logs, stdout or stderr, is full. Then no activation may begin, since each one
 * writes its sentinels there. We wait for room in one log at a time, then check both again. */
static bool is_held_up(struct pool *pool)
{
    return output_wait(output_is_full(pool->out) ? pool->out : pool->err, &pool->room);
}

/* Give the oldest queued job to the worker. */
static void give(struct pool *pool, struct worker *worker)
{
    struct job *job = dequeue(pool, pool->queue.next);

    pool->n_running++;
    pool->n_given++;
    job->given_at_us = loop_now_us(pool->loop);
    job->worker = worker->pid;
    log_debug("activation.start", job_log_member(job, "activation_id"),
              log_int("worker", worker->pid));
    worker_give(worker, job);
}

/* With many jobs, short activations go only to the first n_light workers. If jobs wait for these
 * workers while others are idle, check soon whether the activations are still short. */
static void look_again(struct pool *pool, uint64_t now_ns)
{
    if (!loop_timer_is_set(&pool->look) &&
        choice_is_light(&pool->choice, pool_n_jobs(pool), now_ns))
        loop_timer_set(pool->loop, &pool->look, loop_now_ms(pool->loop) + LOOK_MS);
}

/* Give queued jobs to workers with room, and write their lines. */
static void dispatch(struct pool *pool)
{
    uint64_t now_ns = pool->opts.n_workers > 1 ? loop_clock_ns() : 0;
    struct worker *last = NULL;

    assert(pool->retired == NULL);
    if (pool->state == POOL_STOPPING)
        finish_all_queued(pool, JOB_ABANDONED, "");
    else if (pool->state == POOL_BROKEN)
        finish_all_queued(pool, JOB_UNSTARTED, pool->why_open);
    if (pool->holder.asked)
        sweep(pool);
    if (is_held_up(pool))
        return;
    while (!list_empty(&pool->queue)) {
        struct worker *worker;

        /* A job that came back from a worker that ended may be late by now. Do not waste the time
         * of the next worker on it. */
        if (is_late(pool, pool->queue.next)) {
            finish_queued(pool, pool->queue.next, JOB_LATE, "");
            continue;
        }
        worker = choice_next(&pool->choice, last, pool_n_jobs(pool), now_ns);
        if (worker == NULL) {
            look_again(pool, now_ns);
            break;
        }
        if (last != NULL && last != worker)
            worker_feed(last);
        give(pool, worker);
        last = worker;
    }
    if (last != NULL)
        worker_feed(last);
    start_what_is_down(pool);
}

static void on_look(struct loop_timer *timer)
{
    struct pool *pool = container_of(timer, struct pool, look);

    loop_post(pool->loop, &pool->dispatch);
}

static void on_dispatch(struct loop_post *post)
{
    struct pool *pool = container_of(post, struct pool, dispatch);

    if (pool->retired != NULL)
        pool->retired(pool->retired_owner); /* may have freed the pool */
    else
        dispatch(pool);
}

/* How many queued jobs are about to begin, so that queue_max does not count them: as many as the
 * workers have room for, and one for each worker that will be started or is starting. */
static unsigned n_places(const struct pool *pool)
{
    unsigned n = 0;

    for (unsigned i = 0; i < pool->opts.n_workers; i++) {
        const struct worker *worker = &pool->workers[i].worker;

        n += worker->state != WORKER_READY && restarts(pool) ? 1 : worker_room(worker);
    }
    return n;
}

bool pool_submit(struct pool *pool, struct job *job)
{
    if (pool->n_queued >= pool->opts.queue_max &&
        pool->n_queued >= pool->opts.queue_max + n_places(pool))
        return false;
    enqueue(pool, job, false);
    return true;
}

/* ---- ends and restarts ---- */

/* Whether any worker is ready (if is_ready is set) or up (if it is not). */
static bool is_any(const struct pool *pool, bool is_ready)
{
    for (unsigned i = 0; i < pool->opts.n_workers; i++)
        if (is_ready ? pool->workers[i].worker.state == WORKER_READY : pool->workers[i].up)
            return true;
    return false;
}

bool pool_is_ready(const struct pool *pool)
{
    return is_any(pool, true);
}

/* Whether to start this worker when its pause is over. If no job waits, it is started only if its
 * process had got a line, if it has crashed at most once in a row, or if other workers were given
 * jobs since it ended.
 * So a worker that keeps ending while the pool is idle is started only when jobs come. While the
 * circuit is open, only one worker runs, as a trial. */
static bool wants_restart(const struct pool *pool, const struct pool_worker *pw)
{
    if (pw->up)
        return false;
    if (pool->state == POOL_BROKEN)
        return !is_any(pool, false);
    return !list_empty(&pool->queue) || pool->n_given != pw->n_given_before ||
           worker_got_line(&pw->worker) || pw->backoff.n_deaths <= 1;
}

/* Restart the workers whose pause is over, and set the timer for the next pause to end. */
static void start_what_is_down(struct pool *pool)
{
    uint64_t soonest_ms = UINT64_MAX;

    assert(pool->workers != NULL);
    if (!restarts(pool))
        return;
    for (unsigned i = 0; i < pool->opts.n_workers; i++) {
        struct pool_worker *pw = &pool->workers[i];

        if (!wants_restart(pool, pw))
            continue;
        if (pw->backoff.at_ms <= loop_now_ms(pool->loop))
            start(pw);
        else if (pw->backoff.at_ms < soonest_ms)
            soonest_ms = pw->backoff.at_ms;
    }
    if (soonest_ms != UINT64_MAX)
        loop_timer_set(pool->loop, &pool->restart, soonest_ms);
}

static void on_restart(struct loop_timer *timer)
{
    start_what_is_down(container_of(timer, struct pool, restart));
}

static void tell_started(struct pool *pool, const struct err *err)
{
    pool_started_fn *started = pool->started;

    pool->started = NULL;
    if (started != NULL)
        started(pool->started_owner, err); /* this call may retire the pool */
}

/* Open the circuit if no worker is ready and this one has crashed too often in a row. Queued and
 * new jobs then fail, with the reason in why_open, until a start succeeds. */
static void look_at_circuit(struct pool *pool, const struct pool_worker *pw)
{
    const struct worker *w = &pw->worker;
    const char *why = w->start_err.kind != ERR_NONE ? w->start_err.text : "command exited";

    if (is_any(pool, true) || !backoff_circuit_is_open(&pw->backoff, &pool->opts.restart))
        return;
    (void)snprintf(pool->why_open, sizeof(pool->why_open),
                   "it ended %u times in a row without serving (--broken-after), the last time: "
                   "%.*s",
                   pw->backoff.n_deaths, WHY_MAX, why);
    if (pool->state == POOL_BROKEN)
        return;
    log_warn("pool.broken", log_count("deaths", pw->backoff.n_deaths),
             log_text("reason", pool->why_open));
    pool_move(pool, POOL_BROKEN);
}

static void on_worker_down(struct pool *pool, struct pool_worker *pw)
{
    const struct worker *w = &pw->worker;
    uint64_t now_ms = loop_now_ms(pool->loop);
    bool was_ready = w->start_err.kind == ERR_NONE;

    pw->up = false;
    pw->n_given_before = pool->n_given;
    /* A failed first start is not repeated here: the client can repeat the /init. */
    if (!is_any(pool, false))
        tell_started(pool, &w->start_err);
    /* A crash that cost an activation is not counted: the client of that activation got an error.
     * Only crashes at the start or while idle count. */
    if (!restarts(pool) || pw->cost_a_job)
        return;
    backoff_died(&pw->backoff, &pool->opts.restart, now_ms,
                 was_ready ? now_ms - w->started_at_ms : 0, loop_now_us(pool->loop));
    look_at_circuit(pool, pw);
}

/* Collect the worker's results: move jobs that have ended to *finished, and queue the jobs again
 * that the worker gave back. */
static void collect(struct pool *pool, struct pool_worker *pw, struct list *finished)
{
    struct worker *w = &pw->worker;
    struct job *job;

    while ((job = job_take_first(&w->session.finished)) != NULL) {
        assert(pool->n_running > 0);
        assert(job->outcome != JOB_PENDING);
        list_add_tail(finished, &job->node);
        pool->n_running--;
        if (job->outcome == JOB_ANSWERED)
            backoff_worked(&pw->backoff);
        else
            pw->cost_a_job = true;
    }
    while ((job = job_take_first(&w->session.returned)) != NULL) {
        assert(pool->n_running > 0);
        pool->n_running--;
        enqueue(pool, job, true);
    }
}

static void on_worker_changed(struct loop_post *post)
{
    struct pool_worker *pw = container_of(post, struct pool_worker, worker.changed);
    struct worker *w = &pw->worker;
    struct pool *pool = pw->pool;
    struct list finished;
    struct job *job;

    list_init(&finished);
    collect(pool, pw, &finished);
    /* All workers run the same program, so all answer on the same descriptor. */
    if (pool->spec.answers == ANSWERS_AUTO)
        pool->spec.answers = worker_answers(w);
    if (pool->retired == NULL) {
        if (w->state == WORKER_READY) {
            if (pool->state == POOL_STARTING || pool->state == POOL_BROKEN)
                pool_move(pool, POOL_SERVING);
            tell_started(pool, &w->start_err);
        } else if (w->state == WORKER_DOWN && pw->up && !zygote_order_waits(&pw->order)) {
            on_worker_down(pool, pw);
        }
    }
    /* Write the next lines first: the worker runs while we write sentinels and replies. */
    if (pool->retired == NULL)
        dispatch(pool);
    else
        loop_post(pool->loop, &pool->dispatch);
    /* Write the sentinels before the replies: the platform reads no more logs after the reply. */
    output_flush(pool->out);
    output_flush(pool->err);
    while ((job = session_take_spoken(&w->session)) != NULL)
        if (job->outcome == JOB_PENDING)
            job->on_parts(job);
    while ((job = job_take_first(&finished)) != NULL)
        job->done(job);
}

pid_t pool_writer(const struct pool *pool, const void *owner)
{
    uintptr_t at = (uintptr_t)owner - (uintptr_t)pool->workers; /* very large if before them */
    size_t i = at / sizeof(*pool->workers);

    return i < pool->opts.n_workers ? pool->workers[i].worker.pid : 0;
}

void pool_look(const struct pool *pool, unsigned n_by_state[WORKER_STATES], struct usage *usage)
{
    bool starts = pool->state != POOL_RETIRED && pool->state != POOL_STOPPING;

    if (pool->zygote != NULL && pool->zygote->worker.pid != 0)
        (void)usage_add(usage, pool->zygote->worker.pid);
    for (unsigned i = 0; i < pool->opts.n_workers; i++) {
        const struct worker *worker = &pool->workers[i].worker;

        n_by_state[worker->state] += starts || worker->state != WORKER_DOWN;
        if (worker->pid != 0)
            (void)usage_add(usage, worker->pid);
    }
}

unsigned pool_n_processes(const struct pool *pool)
{
    unsigned n = pool->zygote != NULL && zygote_is_there(pool->zygote) ? 1 : 0;

    for (unsigned i = 0; i < pool->opts.n_workers; i++)
        n += pool->workers[i].worker.state != WORKER_DOWN;
    return n;
}

/* End the zygote, and call `tell` (worker_stop() or worker_retire()) for each running worker. */
static void end_workers(struct pool *pool, void (*tell)(struct worker *))
{
    if (pool->zygote != NULL)
        zygote_stop(pool->zygote);
    for (unsigned i = 0; i < pool->opts.n_workers; i++)
        if (pool->workers[i].worker.state != WORKER_DOWN)
            tell(&pool->workers[i].worker);
    loop_post(pool->loop, &pool->dispatch);
}

void pool_stop(struct pool *pool)
{
    if (pool->state != POOL_STOPPING)
        pool_move(pool, POOL_STOPPING);
    pool->started = NULL; /* `started` is not called any more */
    end_workers(pool, worker_stop);
}

void pool_retire(struct pool *pool, pool_retired_fn *retired, void *owner)
{
    assert(pool->retired == NULL && retired != NULL);
    if (pool->state != POOL_STOPPING)
        pool_move(pool, POOL_RETIRED);
    pool->started = NULL;
    pool->retired = retired;
    pool->retired_owner = owner;
    loop_timer_clear(&pool->restart);
    loop_timer_clear(&pool->look);
    end_workers(pool, worker_retire);
}

void pool_take_queued(struct pool *to, struct pool *from)
{
    assert(to != from);
    if (to == NULL)
        finish_all_queued(from, JOB_ABANDONED, "");
    while (!list_empty(&from->queue))
        enqueue(to, dequeue(from, from->queue.prev), true);
}

struct pool *pool_new(struct loop *loop, struct exec_spec *spec, const struct pool_opts *opts,
                      struct output *out, struct output *err)
{
    struct pool *pool = xcalloc(1, sizeof(*pool));

    pool->loop = loop;
    pool->spec = *spec;
    memset(spec, 0, sizeof(*spec));
    pool->opts = *opts;
    pool->out = out;
    pool->err = err;
    list_init(&pool->queue);
    loop_post_init(&pool->dispatch, on_dispatch);
    pool->holder = (struct job_holder){.loop = loop, .step = &pool->dispatch};
    loop_timer_init(&pool->late, on_late);
    loop_timer_init(&pool->restart, on_restart);
    loop_timer_init(&pool->look, on_look);
    list_init(&pool->room.node);
    pool->room.on_room = on_room;
    pool->workers = xcalloc(opts->n_workers, sizeof(*pool->workers));
    choice_init(&pool->choice, opts->n_workers, opts->n_light);
    for (unsigned i = 0; i < opts->n_workers; i++) {
        pool->workers[i].pool = pool;
        pool->choice.workers[i] = &pool->workers[i].worker;
        zygote_order_init(&pool->workers[i].order, on_made);
        worker_init(&pool->workers[i].worker, loop, &pool->spec, &opts->worker, out, err,
                    on_worker_changed);
    }
    return pool;
}

void pool_free(struct pool **pool)
{
    struct pool *p = *pool;

    if (p == NULL)
        return;
    assert(pool_n_jobs(p) == 0);
    for (unsigned i = 0; i < p->opts.n_workers; i++)
        worker_done(&p->workers[i].worker);
    zygote_free(&p->zygote);
    choice_done(&p->choice);
    free(p->workers);
    loop_post_cancel(&p->dispatch);
    loop_timer_clear(&p->late);
    loop_timer_clear(&p->restart);
    loop_timer_clear(&p->look);
    list_remove(&p->room.node);
    exec_spec_done(&p->spec);
    free(p);
    *pool = NULL;
}

/* How each path begins, and how all must end well from wherever it has come to. */

#include <string.h>

#include "world.h"

#define SETTLE_STEPS 2000

static bool holding; /* while a path ends: processes keep what they have */

/* The next that must happen for all to come to its end. */
static bool next_of(const struct event *events, unsigned n, bool hang, struct event *next)
{
    static const enum event_kind order[] = {EV_GONE,  EV_TURN,   EV_END,   EV_READY, EV_LEAVE_INPUT,
                                            EV_FLUSH, EV_ANSWER, EV_BEGIN, EV_READ,  EV_READ_LINE};

    for (size_t o = 0; o < sizeof(order) / sizeof(order[0]); o++)
        for (unsigned i = 0; i < n; i++) {
            const struct proc *proc = &world.procs[events[i].who];

            if (events[i].kind != order[o] ||
                (order[o] == EV_END && !proc->kill && (hang || !proc->term)) ||
                ((hang || holding) && (order[o] == EV_ANSWER || order[o] == EV_LEAVE_INPUT)) ||
                (hang && proc->kill && order[o] != EV_END && order[o] != EV_GONE &&
                 order[o] != EV_TURN))
                continue;
            *next = events[i];
            return true;
        }
    return false;
}

typedef bool comes_fn(void);

/* Go on until `comes` holds and nothing is left to do; time passes only for it. */
static void settle_until(comes_fn *comes, bool hang, const char *what)
{
    for (unsigned left = SETTLE_STEPS; left > 0; left--) {
        struct event events[EVENTS_MAX];
        struct event next;
        unsigned n = world_events(events);

        if (next_of(events, n, hang, &next)) {
            world_do(next);
            state_check();
        } else if (comes()) {
            return;
        } else if (turn_next_us() == UINT64_MAX) {
            broken("%s: nothing is left that could happen", what);
        } else {
            world_do((struct event){EV_TIME, 0});
        }
    }
    broken("%s: not after %d steps", what, SETTLE_STEPS);
}

static bool nobody_waits(void)
{
    return !clients_wait();
}

/* Nobody waits, no version is on its way, and the one that serves can. */
static bool all_is_quiet(void)
{
    for (int i = 0; i < POOLS_MAX; i++)
        if (world.pools[i].pool != NULL && !world.pools[i].started)
            return false;
    return !clients_wait() && world.pools[world.serving].pool->state != POOL_BROKEN;
}

static bool all_serve(void)
{
    const struct pool *pool = world.pools[world.serving].pool;

    for (unsigned i = 0; i < pool->opts.n_workers; i++)
        if (pool->workers[i].worker.state != WORKER_READY)
            return false;
    return pool->n_queued == 0;
}

static bool no_process(void)
{
    for (int i = 0; i < PROCS_MAX; i++)
        if (world.procs[i].state != PROC_NONE)
            return false;
    return true;
}

static bool has_started(void)
{
    return world.pools[world.serving].started;
}

void world_reset(void)
{
    memset(&world, 0, sizeof(world));
    arena_reset();
    world.now_us = 1000000;
    world.loop = loop_new(NULL);
    holding = false;
}

void world_start(void)
{
    clients_start();
    settle_until(has_started, false, "the pool starts");
    settle_until(nobody_waits, false, "the pool starts");
    world.budget = scenario->budget;
}

void world_settle(bool hang)
{
    unsigned n_workers = scenario->n_workers;

    memset(&world.budget, 0, sizeof(world.budget));
    settle_until(nobody_waits, hang, "all activations are answered");
    if (!world.stopped) { /* no worker is lost: all are there once there is work, and do it */
        settle_until(all_is_quiet, false, "the pool comes to rest");
        holding = world.ending = true;
        for (unsigned i = 0; i < n_workers; i++)
            if (!clients_submit())
                broken("an activation is refused by a pool with nothing to do");
        settle_until(all_serve, false, "each worker is ready");
        holding = false;
        settle_until(nobody_waits, false, "the last activations are answered");
        for (unsigned i = 0; i < n_workers; i++)
            if (world.clients[world.n_clients - i].outcome != JOB_ANSWERED)
                broken("activation %u is not answered by a process that answers",
                       world.n_clients - i);
        clients_stop();
    }
    settle_until(no_process, hang, "all processes end");
    clients_free();
}

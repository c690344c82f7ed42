/* Pools and activations: what http/run.c and http/versions.c do with them, and what must come. */

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/sentinel.h"
#include "base/util.h"
#include "worker/parts.h"
#include "world.h"

#define FAR_MS   1000000
#define APART_MS 400 /* between the deadlines of two that ask at once */

/* ---- log streams ---- */

static void count(unsigned *n_sentinels, const void *owner, const char *bytes, size_t n)
{
    if (owner == NULL && n == sizeof(SENTINEL) && memcmp(bytes, SENTINEL "\n", n) == 0)
        (*n_sentinels)++;
}

static void on_out(struct output_tap *tap, const void *owner, const char *bytes, size_t n)
{
    (void)tap;
    count(&world.n_sentinels[0], owner, bytes, n);
}

static void on_err(struct output_tap *tap, const void *owner, const char *bytes, size_t n)
{
    (void)tap;
    count(&world.n_sentinels[1], owner, bytes, n);
}

/* ---- pools ---- */

int clients_pool_of(const struct pool *pool)
{
    for (int i = 0; i < POOLS_MAX; i++)
        if (world.pools[i].pool == pool)
            return i;
    return -1;
}

static void on_retired(void *owner)
{
    struct pool_slot *slot = owner;
    struct pool *serving = world.pools[world.serving].pool;

    if (slot->pool != serving)
        pool_take_queued(serving, slot->pool);
    if (pool_n_jobs(slot->pool) == 0 && pool_n_processes(slot->pool) == 0)
        pool_free(&slot->pool);
}

static void retire(struct pool_slot *slot)
{
    slot->retired = true;
    pool_retire(slot->pool, on_retired, slot);
}

/* As versions_publish() and versions_discard(). */
static void on_started(void *owner, const struct err *err)
{
    struct pool_slot *slot = owner;
    struct pool_slot *before = &world.pools[world.serving];

    assert(!world.inside);
    slot->started = true;
    if (slot == before) {
        assert(err->kind == ERR_NONE);
    } else if (err->kind == ERR_NONE) {
        say("        the new version serves");
        world.serving = (int)(slot - world.pools);
        retire(before);
    } else {
        say("        the new version is discarded");
        retire(slot);
        pool_stop(slot->pool);
    }
}

static struct pool_slot *start_pool(void)
{
    static struct buf nothing;
    struct pool_opts opts = {.n_workers = scenario->n_workers,
                             .n_light = 1,
                             .queue_max = scenario->queue_max,
                             .restart = {.pause_ms = 1,
                                         .pause_max_ms = 4,
                                         .broken_after = scenario->broken_after,
                                         .broken_life_ms = FAR_MS},
                             .worker = {.start_ms = START_MS,
                                        .settle_ms = scenario->blind ? 1 : START_MS,
                                        .kill_ms = KILL_MS,
                                        .answer_max_bytes = 100000,
                                        .vouched = scenario->vouched,
                                        .ahead_max = scenario->ahead,
                                        .tally = &world.tally}};
    struct exec_spec spec = {.answers = scenario->answers,
                             .reports_ready = scenario->ready != NULL,
                             .shares_ring = scenario->ring};
    struct pool_slot *slot = world.pools;
    char name[] = "0";

    while (slot->pool != NULL)
        slot++;
    assert(slot < world.pools + POOLS_MAX);
    name[0] = (char)('0' + (slot - world.pools));
    strv_push(&spec.argv, xstrdup(name));
    *slot = (struct pool_slot){.pool = pool_new(world.loop, &spec, &opts, &world.out, &world.err)};
    world.inside = true;
    pool_start(slot->pool, NULL, &nothing, on_started, slot);
    world.inside = false;
    return slot;
}

void clients_start(void)
{
    static struct output out, err; /* the same on each path, as all their addresses are */
    static bool are_ready;

    if (!are_ready) {
        are_ready = true;
        output_init(&world.out, world.loop, -1); /* their bytes go elsewhere: `instead` */
        output_init(&world.err, world.loop, -1);
        out = world.out;
        err = world.err;
    }
    world.out = out;
    world.err = err;
    world.out_tap.on_bytes = on_out;
    world.err_tap.on_bytes = on_err;
    world.out.instead = &world.out_tap;
    world.err.instead = &world.err_tap;
    (void)start_pool();
}

void clients_replace(void)
{
    (void)start_pool();
}

void clients_stop(void)
{
    world.stopped = true;
    world.inside = true;
    for (int i = 0; i < POOLS_MAX; i++)
        if (world.pools[i].pool != NULL)
            pool_stop(world.pools[i].pool);
    world.inside = false;
}

void clients_free(void)
{
    if (world.n_sentinels[0] != world.n_done || world.n_sentinels[1] != world.n_done)
        broken("%u activations, %u and %u sentinels", world.n_done, world.n_sentinels[0],
               world.n_sentinels[1]);
    for (int i = 0; i < POOLS_MAX; i++)
        if (world.pools[i].pool != NULL && !world.pools[i].retired)
            pool_free(&world.pools[i].pool);
    for (int i = 0; i < POOLS_MAX; i++)
        if (world.pools[i].pool != NULL)
            broken("a replaced pool stays for ever");
    for (int i = 0; i < FDS_MAX; i++)
        if (world.fds[i].kind != FD_FREE)
            broken("a descriptor stays open");
}

/* ---- activations ---- */

/* What an activation may be told depends on what became of its line. */
static void check_failure(const struct client *client, unsigned id)
{
    /* A line that is too long for the pipe counts as begun with its first byte, lest it kill one
     * process after the other. */
    bool is_long = client->touched && scenario->pipe_bytes > 0;
    bool in_order = (client->touched && client->written) || is_long;
    bool may_have_begun = scenario->numbered ? client->whole : in_order;

    /* What cannot be taken back may be read at any moment. */
    if (!may_have_begun && !scenario->blind)
        broken("activation %u fails as %s, and no process has read it", id,
               job_outcome_name(client->outcome));
    if (!scenario->numbered && client->touched && ++world.n_failed[client->serial] > 1)
        broken("activation %u fails as %s, and one has failed already with its process", id,
               job_outcome_name(client->outcome));
}

static void check_outcome(const struct client *client, unsigned id)
{
    const struct job *job = &client->job;
    char wanted[32];
    int n = snprintf(wanted, sizeof(wanted), "{\"n\":%u}", id);

    switch (job->outcome) {
    case JOB_ANSWERED:
        if (job->answer_len != (size_t)n || memcmp(job->answer, wanted, job->answer_len) != 0)
            broken("activation %u is given the answer \"%.*s\"", id, (int)job->answer_len,
                   job->answer);
        if (client->n_begun != 1)
            broken("activation %u is answered and was not begun", id);
        return;
    case JOB_LATE:
        if (world.now_us / 1000 < job->deadline_at_ms)
            broken("activation %u is late before its deadline", id);
        return;
    case JOB_DIED:
    case JOB_BYSTANDER:
    case JOB_STOPPED:
        check_failure(client, id);
        return;
    case JOB_CANCELLED:
    case JOB_ABANDONED:
        if (!(job->outcome == JOB_CANCELLED ? client->left : world.stopped) || client->n_begun > 0)
            broken("activation %u is abandoned, begun %u times", id, client->n_begun);
        return;
    case JOB_UNSTARTED:
        if (scenario->broken_after == 0 || client->n_begun > 0)
            broken("activation %u is answered as one that never began", id);
        return;
    case JOB_PENDING:
    case JOB_EXHAUSTED:
    case JOB_TOO_LONG:
    case JOB_MALFORMED:
        broken("activation %u ends as %s", id, job_outcome_name(job->outcome));
    }
}

static void on_done(struct job *job)
{
    struct client *client = container_of(job, struct client, job);
    unsigned id = (unsigned)(client - world.clients);

    say("        activation %u ends: %s", id, job_outcome_name(job->outcome));
    if (client->state != CLIENT_WAITS)
        broken("activation %u is answered twice", id);
    if (world.inside)
        broken("activation %u is answered from inside a call", id);
    client->state = CLIENT_DONE;
    client->outcome = job->outcome;
    world.n_done++;
    if (world.n_sentinels[0] < world.n_done || world.n_sentinels[1] < world.n_done)
        broken("activation %u is answered before its sentinels", id);
    check_outcome(client, id);
    job_drop_line(job);
    parts_free(job);
    free(TAKE(job->answer));
}

bool clients_submit(void)
{
    unsigned id = ++world.n_clients;
    struct client *client = &world.clients[id];
    struct job *job = &client->job;
    char line[32];
    bool taken;

    assert(id <= JOBS_MAX);
    job->len = (size_t)snprintf(line, sizeof(line), "{\"n\":%u}\n", id);
    job->line = xstrdup(line);
    job->done = on_done;
    job->deadline_at_ms =
        loop_now_ms(world.loop) + (world.ending ? FAR_MS : DEADLINE_MS + APART_MS * (id - 1));
    list_init(&job->node);
    say("        ... activation %u", id);
    client->state = CLIENT_WAITS;
    world.inside = true;
    taken = pool_submit(world.pools[world.serving].pool, job);
    world.inside = false;
    if (taken)
        return true;
    say("        ... the queue is full");
    client->state = CLIENT_REFUSED;
    job_drop_line(job);
    return false;
}

void clients_leave(int who)
{
    world.clients[who].left = true;
    world.inside = true;
    job_cancel(&world.clients[who].job);
    world.inside = false;
}

bool clients_wait(void)
{
    for (unsigned i = 1; i <= world.n_clients; i++)
        if (world.clients[i].state == CLIENT_WAITS)
            return true;
    return false;
}

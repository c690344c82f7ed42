/*
 * The structs of the proxy, read and not written: what must hold between two events, and one number
 * for all that decides what may follow. Two paths that come to the same number are one from there:
 * moments are distances from now, counts of bytes are distances from each other, memory is what
 * stands in it. `model --no-prune` finds the same states without it; see README.
 */

#include <string.h>

#include "base/buf.h"
#include "worker/hear.h"
#include "world.h"

#define PART_DISPATCH 1
#define PART_LATE     2
#define PART_RESTART  3
#define PART_STEP     4
#define PART_CHANGED  5
#define PART_TIMER    6
#define PART_LOOK     7

/* ---- what must hold ---- */

static unsigned len_of(const struct list *list)
{
    unsigned n = 0;

    list_each(node, list)
        n++;
    return n;
}

static void check_window(const struct session *s, unsigned *n_jobs)
{
    const struct window *window = &s->window;
    unsigned n = 0;
    unsigned n_tombstones = 0;
    bool has_unsent = false;

    list_each(node, &window->jobs) {
        const struct job *job = list_item(node, struct job, node);

        n++;
        n_tombstones += job->tombstone;
        has_unsent |= job == window->unsent;
        if (!job->tombstone && job->outcome != JOB_PENDING)
            broken("an activation that has ended stands in a window");
    }
    if (n != window->n || n_tombstones != window->n_tombstones)
        broken("a window counts %u lines, %u of them given up, and has %u, %u", window->n,
               window->n_tombstones, n, n_tombstones);
    if (window->unsent != NULL ? !has_unsent : window->unsent_written > 0)
        broken("a window writes a line that it has not");
    if (n - n_tombstones > scenario->ahead || n > scenario->ahead + n_tombstones)
        broken("a process has %u lines", n);
    *n_jobs += n - n_tombstones + len_of(&s->finished) + len_of(&s->returned);
}

static void check_worker(const struct pool *pool, const struct pool_worker *pw, unsigned *n_jobs)
{
    const struct worker *w = &pw->worker;

    check_window(&w->session, n_jobs);
    if (w->state == WORKER_DOWN && pw->up && list_empty(&w->changed.node))
        broken("a worker is lost: it is down, and nobody will look");
    if (w->state != WORKER_DOWN && !pw->up)
        broken("a worker is not counted as up");
    if (!world.in_turn && !turn_has_posts() && pool->n_queued > 0 && pool->retired == NULL &&
        worker_room(w) > 0)
        broken("an activation waits beside a worker with room");
}

static void check_pool(const struct pool *pool, unsigned *n_jobs)
{
    unsigned n_running = 0;
    unsigned n_processes = 0;

    for (unsigned i = 0; i < pool->opts.n_workers; i++)
        check_worker(pool, &pool->workers[i], &n_running);
    for (int i = 0; i < PROCS_MAX; i++)
        n_processes +=
            world.procs[i].state != PROC_NONE && world.procs[i].pool == clients_pool_of(pool);
    if (n_running != pool->n_running)
        broken("a pool counts %u running activations, and has %u", pool->n_running, n_running);
    if (len_of(&pool->queue) != pool->n_queued)
        broken("a pool counts %u queued activations, and has %u", pool->n_queued,
               len_of(&pool->queue));
    if (n_processes > pool->opts.n_workers)
        broken("a pool of %u workers has %u processes", pool->opts.n_workers, n_processes);
    if (pool->n_queued > scenario->queue_max + pool->opts.n_workers * (1 + scenario->ahead))
        broken("a queue of %u has %u activations", scenario->queue_max, pool->n_queued);
    if (pool->state == POOL_STOPPING && pool->n_queued > 0 && !world.in_turn && !turn_is_due())
        broken("an activation waits in a pool that is told to end");
    *n_jobs += pool_n_jobs(pool);
}

/* The proxy has nothing to do: whoever is late was told. */
static void check_deadlines(void)
{
    for (unsigned i = 1; i <= world.n_clients; i++)
        if (world.clients[i].state == CLIENT_WAITS &&
            world.clients[i].job.deadline_at_ms * 1000 <= world.now_us)
            broken("activation %u is late, and waits", i);
}

void state_check(void)
{
    unsigned n_jobs = 0;
    unsigned n_waiting = 0;

    for (int i = 0; i < POOLS_MAX; i++)
        if (world.pools[i].pool != NULL)
            check_pool(world.pools[i].pool, &n_jobs);
    for (unsigned i = 1; i <= world.n_clients; i++)
        n_waiting += world.clients[i].state == CLIENT_WAITS;
    if (n_waiting != n_jobs)
        broken("%u activations wait, and the pools have %u", n_waiting, n_jobs);
    if (!world.in_turn && !turn_is_due())
        check_deadlines();
}

/* ---- the state as a number ---- */

static uint64_t hash;

void hash_add(uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 29;
}

/* Flags and small counts, each shifted to bits of its own. */
static void hash_bits(int bits)
{
    hash_add((uint64_t)bits);
}

void hash_bytes(const void *bytes, size_t n)
{
    const unsigned char *at = bytes;

    hash_add(n);
    while (n > 0) {
        size_t some = n < sizeof(uint64_t) ? n : sizeof(uint64_t);
        uint64_t word = 0;

        memcpy(&word, at, some);
        hash_add(word);
        at += some;
        n -= some;
    }
}

void hash_moment_us(uint64_t at_us)
{
    hash_add(at_us - world.now_us);
}

/* 0: never. */
static void hash_moment_ms(uint64_t at_ms)
{
    hash_add(at_ms == 0 || at_ms >= UINT64_MAX - 1 ? at_ms : at_ms * 1000 - world.now_us);
}

static void hash_buf(const struct buf *buf)
{
    hash_bytes(buf_at(buf), buf_len(buf));
}

static void hash_line(const struct line *line)
{
    hash_buf(&line->buf);
    hash_add(line->seen);
    hash_add(line->skipping);
}

uint64_t state_name(const void *part)
{
    for (int p = 0; p < POOLS_MAX; p++) {
        const struct pool *pool = world.pools[p].pool;
        uint64_t base = (uint64_t)(p + 1) * 1000;

        if (pool == NULL)
            continue;
        if (part == &pool->dispatch)
            return base + PART_DISPATCH;
        if (part == &pool->late)
            return base + PART_LATE;
        if (part == &pool->restart)
            return base + PART_RESTART;
        if (part == &pool->look)
            return base + PART_LOOK;
        for (unsigned i = 0; i < pool->opts.n_workers; i++) {
            const struct worker *w = &pool->workers[i].worker;

            if (part == &w->step)
                return base + 10 * (i + 1) + PART_STEP;
            if (part == &w->changed)
                return base + 10 * (i + 1) + PART_CHANGED;
            if (part == &w->timer)
                return base + 10 * (i + 1) + PART_TIMER;
        }
    }
    return part == &world.out.flush ? 7 : 8;
}

static unsigned id_of(const struct job *job)
{
    for (unsigned i = 1; i <= world.n_clients; i++)
        if (&world.clients[i].job == job)
            return i;
    return 99; /* a tombstone */
}

static void hash_job(const struct job *job, const struct window *window)
{
    hash_add(id_of(job));
    hash_add(job->tombstone);
    hash_add(job->number);
    hash_bits(job->is_cancelled | job->cancel_told << 1 | job->pause_told << 2);
    hash_moment_ms(job->deadline_at_ms);
    hash_add(job->len);
    if (window != NULL)
        hash_add(job->end_at > 0 ? window->n_written - job->end_at + 1 : 0);
}

static void hash_window(const struct window *window)
{
    hash_add(window->n);
    list_each(node, &window->jobs)
        hash_job(list_item(node, struct job, node), window);
    hash_add(window->unsent != NULL ? window->unsent->number * 100 + id_of(window->unsent) : 0);
    hash_add(window->unsent_written);
    hash_bits(window->numbered | window->unheard << 1);
    hash_add(window->sent_brace);
    hash_add(window->n_prefix);
    hash_add(window->last_number);
    hash_moment_ms(window->n > 0 ? window->soonest_ms : 0);
}

static void hash_forwarder(const struct forwarder *forwarder)
{
    hash_add(forwarder->watch.sock != NULL);
    hash_add(forwarder->ended);
    hash_buf(&forwarder->partial);
}

static void hash_watch(const struct loop_watch *watch)
{
    hash_add(watch->sock != NULL);
    hash_bits((watch->on_readable != NULL) | (watch->on_writable != NULL) << 1);
    if (watch->sock != NULL)
        hash_add((uint64_t)watch->sock->pipe);
}

static void hash_input(const struct stdin_pipe *in)
{
    hash_watch(&in->watch);
    hash_bits(in->got_line | in->narrow << 1 | in->cannot_narrow << 2 | in->empty_line << 3);
    hash_add(in->n_not_empty);
    hash_add(in->n_written > 0);
    hash_add(in->read_up_to > 0 ? in->n_written - in->read_up_to : 0);
}

static void hash_channel(const struct channel *channel)
{
    hash_add(channel->answers);
    hash_input(&channel->in);
    hash_watch(&channel->fd1);
    hash_watch(&channel->fd3);
    hash_line(&channel->line1);
    hash_line(&channel->line3);
    hash_forwarder(&channel->out);
    hash_forwarder(&channel->err);
    hash_bits(channel->is_undecided | channel->kept_apart << 1 | channel->parts << 2 |
              channel->paused << 3 | channel->passing << 4 | channel->uses_ring << 5);
    if (channel->is_undecided)
        hash_buf(&channel->undecided);
    hash_add(channel->odd);
    hash_add(channel->n_stale > 0);
    hash_add(channel->uses_ring ? channel->n_read1 + channel->n_read3 : 0);
}

static void hash_session(const struct session *s)
{
    hash_channel(&s->channel);
    hash_window(&s->window);
    hash_add(s->pacing.n_silent < 16 ? s->pacing.n_silent : 16);
    hash_add(s->pacing.work_ns);
    hash_add(s->pacing.busy_at_ns > 0 ? s->pacing.busy_at_ns - world.now_us * 1000 : 1);
    hash_add(s->pacing.pipeline);
    hash_add(s->pacing.concurrent);
    hash_add(s->pacing.distrusted);
    hash_moment_us(s->question.asked_at_us);
    hash_moment_us(s->question.read_at_us);
    hash_buf(&s->greeting);
    hash_bits(s->takes_control | s->logs_settled << 1 | s->asked_idle << 2 | s->ready << 3 |
              s->refused << 4 | s->ended << 5 | s->spoiled << 6 | s->dismissed << 7 |
              s->announces_late << 8 | s->holder.asked << 9);
    hash_moment_ms(s->reads_by_ms);
    hash_moment_ms(s->health_at_ms);
    hash_moment_ms(s->unread_at_ms);
    hash_add(len_of(&s->finished) * 100 + len_of(&s->returned));
}

static void hash_worker(const struct pool *pool, const struct pool_worker *pw)
{
    const struct worker *w = &pw->worker;

    hash_add(w->state);
    hash_add((uint64_t)w->pid);
    hash_bits(w->exited | w->unwanted << 1 | w->retired << 2 | w->was_started << 3 | pw->up << 4 |
              pw->cost_a_job << 5 | (w->killed_for != NULL) << 6 | (w->start_err.kind != 0) << 7);
    hash_add((uint64_t)w->wait_status);
    hash_add(w->told);
    hash_add(w->death);
    hash_moment_ms(w->dying_until_ms);
    hash_add(pw->n_given_before == pool->n_given);
    hash_add(pw->backoff.n_deaths);
    hash_moment_ms(pw->backoff.at_ms * 1000 > world.now_us ? pw->backoff.at_ms : 0);
    if (w->state == WORKER_DOWN)
        return;
    hash_moment_ms(w->started_at_ms);
    hash_add((uint64_t)w->ending.signo);
    if (w->state == WORKER_STOPPING)
        hash_moment_ms(w->ending.at_ms);
}

static void hash_pool(const struct pool *pool)
{
    list_each(node, &pool->queue)
        hash_job(list_item(node, struct job, node), NULL);
    hash_add(pool->n_queued);
    hash_add(pool->n_running);
    hash_add(pool->choice.next);
    hash_bits(pool->holder.asked | (pool->started != NULL) << 1 | (pool->retired != NULL) << 2);
    hash_add(pool->state);
    hash_add(pool->spec.answers);
    for (unsigned i = 0; i < pool->opts.n_workers; i++) {
        hash_worker(pool, &pool->workers[i]);
        hash_session(&pool->workers[i].worker.session);
    }
}

static void hash_proc(const struct proc *proc)
{
    hash_add(proc->state);
    for (int fd = 0; fd < 4; fd++) {
        const struct pipe *pipe = &world.pipes[proc->pipes[fd]];

        hash_bytes(pipe->bytes, pipe->n);
        hash_bits(pipe->narrow | proc->open[fd] << 1 | pipe->n_readers << 2 | pipe->n_writers << 5);
    }
    if (proc->state == PROC_NONE)
        return;
    hash_add((uint64_t)proc->pool);
    hash_bits(proc->said_ready | proc->term << 1 | proc->kill << 2 | proc->logged << 3);
    hash_add(proc->kill ? proc->late_steps : 0);
    hash_bytes(proc->own, proc->n_own);
    hash_bytes(proc->running, proc->n_running * sizeof(proc->running[0]));
    hash_add(proc->last.job * 100 + proc->last.number);
    hash_bytes(proc->ring, proc->ring_end);
    hash_add(proc->ring_written);
    hash_add((uint64_t)proc->wait_status);
    hash_add(world.n_failed[proc->serial]);
}

uint64_t state_hash(void)
{
    hash = 0x1234567;
    hash_bytes(&world.budget, sizeof(world.budget));
    hash_add((uint64_t)world.serving * 4 + world.stopped);
    hash_add(world.n_sentinels[0] - world.n_done);
    hash_add(world.n_sentinels[1] - world.n_done);
    for (unsigned i = 1; i <= world.n_clients; i++) {
        const struct client *client = &world.clients[i];

        hash_add(client->state | client->n_begun << 3);
        hash_bits(client->touched | client->whole << 1 | client->left << 2 | client->written << 3);
        hash_add(client->state == CLIENT_DONE ? client->outcome : 0);
        if (client->state == CLIENT_WAITS)
            hash_add((uint64_t)client->job.worker);
    }
    for (int i = 0; i < PROCS_MAX; i++)
        hash_proc(&world.procs[i]);
    for (int i = 0; i < POOLS_MAX; i++) {
        hash_bits((world.pools[i].pool != NULL) | world.pools[i].retired << 1 |
                  world.pools[i].started << 2);
        if (world.pools[i].pool != NULL)
            hash_pool(world.pools[i].pool);
    }
    turn_hash();
    return hash;
}

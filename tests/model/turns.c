/* base/loop.h: a turn as loop_run() makes it, whenever the scheduler says so. */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "world.h"

#define POSTS_MAX 1000

struct loop {
    struct list timers; /* by at_us, soonest first */
    struct list posts;
    struct list children;
};

struct loop *loop_new(struct err *err)
{
    struct loop *loop = xcalloc(1, sizeof(*loop));

    (void)err;
    list_init(&loop->timers);
    list_init(&loop->posts);
    list_init(&loop->children);
    return loop;
}

void loop_free(struct loop **loop)
{
    free(*loop);
    *loop = NULL;
}

uint64_t loop_now_us(const struct loop *loop)
{
    (void)loop;
    return world.now_us;
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return loop_now_us(loop) / 1000;
}

uint64_t loop_clock_ns(void)
{
    return world.now_us * 1000;
}

/* ---- timers ---- */

void loop_timer_init(struct loop_timer *timer, loop_timer_fn *fn)
{
    list_init(&timer->node);
    timer->at_us = 0;
    timer->fn = fn;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t at_ms)
{
    loop_timer_set_us(loop, timer, at_ms < UINT64_MAX / 1000 ? at_ms * 1000 : UINT64_MAX);
}

void loop_timer_set_us(struct loop *loop, struct loop_timer *timer, uint64_t at_us)
{
    struct list *after;

    if (loop_timer_is_set(timer) && timer->at_us == at_us)
        return;
    list_remove(&timer->node);
    after = loop->timers.prev;
    while (after != &loop->timers && list_item(after, struct loop_timer, node)->at_us > at_us)
        after = after->prev;
    timer->at_us = at_us;
    list_add_head(after, &timer->node);
}

void loop_timer_clear(struct loop_timer *timer)
{
    list_remove(&timer->node);
}

static void run_timers(struct loop *loop)
{
    struct list due;

    list_init(&due);
    while (turn_next_us() <= world.now_us) {
        struct list *node = loop->timers.next;

        list_remove(node);
        list_add_tail(&due, node);
    }
    while (!list_empty(&due)) {
        struct loop_timer *timer = list_item(due.next, struct loop_timer, node);

        list_remove(&timer->node);
        timer->fn(timer);
    }
}

/* ---- posted work ---- */

void loop_post_init(struct loop_post *post, loop_post_fn *fn)
{
    list_init(&post->node);
    post->fn = fn;
}

void loop_post(struct loop *loop, struct loop_post *post)
{
    if (list_empty(&post->node))
        list_add_tail(&loop->posts, &post->node);
}

void loop_post_cancel(struct loop_post *post)
{
    list_remove(&post->node);
}

static void run_posts(struct loop *loop)
{
    unsigned left = POSTS_MAX;

    while (!list_empty(&loop->posts)) {
        struct loop_post *post = list_item(loop->posts.next, struct loop_post, node);

        if (left-- == 0)
            broken("posted work posts work without end");
        list_remove(&post->node);
        post->fn(post);
    }
}

/* ---- children ---- */

void loop_child_init(struct loop_child *child)
{
    list_init(&child->node);
    child->pid = 0;
    child->fn = NULL;
}

void loop_child_watch(struct loop *loop, struct loop_child *child, pid_t pid, loop_child_fn *fn)
{
    child->pid = pid;
    child->fn = fn;
    list_add_tail(&loop->children, &child->node);
}

bool loop_child_is_watched(const struct loop *loop, pid_t pid)
{
    (void)loop, (void)pid; /* only a zygote asks, and the model has none */
    return false;
}

void loop_child_forget(struct loop_child *child)
{
    list_remove(&child->node);
}

static bool any_zombie(void)
{
    for (int i = 0; i < PROCS_MAX; i++)
        if (world.procs[i].state == PROC_ZOMBIE)
            return true;
    return false;
}

static void reap(struct loop *loop)
{
    world_amid("waitpid");
    for (int i = 0; i < PROCS_MAX; i++) {
        int wait_status = world.procs[i].wait_status;

        if (world.procs[i].state != PROC_ZOMBIE)
            continue;
        say("        process %d is reaped", i);
        world.procs[i].state = PROC_NONE;
        list_each(node, &loop->children) {
            struct loop_child *child = list_item(node, struct loop_child, node);

            if (child->pid == FIRST_PID + i) {
                list_remove(node);
                child->fn(child, wait_status);
                break;
            }
        }
    }
}

/* ---- descriptors ---- */

void loop_watch_init(struct loop_watch *watch)
{
    memset(watch, 0, sizeof(*watch));
    watch->fd = -1;
}

void loop_watch_open(struct loop *loop, struct loop_watch *watch, int fd)
{
    (void)loop;
    assert(watch->sock == NULL && fd >= FIRST_FD);
    watch->sock = &world.fds[fd - FIRST_FD];
    watch->sock->watch = watch;
    watch->fd = fd;
}

void loop_watch_close(struct loop_watch *watch)
{
    if (watch->sock != NULL)
        (void)close(watch->fd);
    loop_watch_init(watch);
}

void loop_watch_read(struct loop_watch *watch, loop_watch_fn *on_readable)
{
    assert(watch->sock != NULL);
    watch->on_readable = on_readable;
}

void loop_watch_move(struct loop_watch *from, struct loop_watch *to)
{
    assert(from->sock != NULL && to->sock == NULL && from->on_writable == NULL);
    to->sock = from->sock;
    to->sock->watch = to;
    to->fd = from->fd;
    loop_watch_init(from);
}

void loop_watch_write(struct loop_watch *watch, loop_watch_fn *on_writable)
{
    assert(watch->sock != NULL);
    watch->on_writable = on_writable;
}

/* ---- turns ---- */

static bool is_ready(const struct st_h2o_socket_t *sock)
{
    const struct pipe *pipe = &world.pipes[sock->pipe];

    if (sock->kind == FD_FREE || sock->watch == NULL)
        return false;
    if (sock->watch->on_readable != NULL && (pipe->n > 0 || pipe->n_writers == 0))
        return true;
    return sock->watch->on_writable != NULL &&
           (pipe->n_readers == 0 || (pipe->narrow ? pipe->n == 0 : pipe_room(pipe) >= PIPE_WHOLE));
}

bool turn_has_posts(void)
{
    return !list_empty(&world.loop->posts);
}

uint64_t turn_next_us(void)
{
    const struct list *timers = &world.loop->timers;

    return list_empty(timers) ? UINT64_MAX
                              : list_item(timers->next, struct loop_timer, node)->at_us;
}

bool turn_is_due(void)
{
    if (turn_has_posts() || any_zombie() || turn_next_us() <= world.now_us)
        return true;
    for (int i = 0; i < FDS_MAX; i++)
        if (is_ready(&world.fds[i]))
            return true;
    return false;
}

static void tell(struct st_h2o_socket_t *sock)
{
    struct loop_watch *watch = sock->watch;
    unsigned generation = sock->generation;
    loop_watch_fn *fn = watch->on_writable;

    if (sock->kind == FD_READ) {
        if (watch->on_readable != NULL)
            watch->on_readable(watch);
        return;
    }
    watch->on_writable = NULL;
    if (fn != NULL && sock->generation == generation)
        fn(watch);
}

/* In which order epoll_wait() names what is ready is for the scheduler to say. */
static void run_ready(void)
{
    int ready[FDS_MAX];
    unsigned generations[FDS_MAX];
    unsigned n = 0;
    bool backwards;

    for (int i = 0; i < FDS_MAX; i++)
        if (is_ready(&world.fds[i])) {
            generations[n] = world.fds[i].generation;
            ready[n++] = i;
        }
    backwards = n > 1 && choose(2) > 0;
    for (unsigned i = 0; i < n; i++) {
        unsigned at = backwards ? n - 1 - i : i;
        struct st_h2o_socket_t *sock = &world.fds[ready[at]];

        if (sock->generation == generations[at] && sock->watch != NULL)
            tell(sock);
    }
}

void turn_run(void)
{
    bool died = any_zombie();

    world.in_turn = true;
    run_ready();
    if (died)
        reap(world.loop);
    run_timers(world.loop);
    run_posts(world.loop);
    world.in_turn = false;
}

void turn_hash(void)
{
    list_each(node, &world.loop->posts)
        hash_add(state_name(list_item(node, struct loop_post, node)));
    hash_add(1);
    list_each(node, &world.loop->timers) {
        const struct loop_timer *timer = list_item(node, struct loop_timer, node);

        hash_add(state_name(timer));
        hash_moment_us(timer->at_us);
    }
}

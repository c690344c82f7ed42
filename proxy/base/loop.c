/*
 * libh2o's evloop watches our descriptors together with its own connections, so that one epoll_wait
 * serves both. libh2o's timers run on the wall clock, so we keep our own timers in a list. They
 * cost no system call: the wait just ends when the next timer is due. A timerfd is used only for
 * waits of less than a millisecond.
 *
 * A turn of the loop: wait and run what is ready (libh2o), reap dead children, run timers that are
 * due, run posted work.
 */

#include "base/loop.h"

#include <assert.h>
#include <errno.h>
#include <h2o.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/busy_poll.h"
#include "base/err.h"
#include "base/log.h"

#define LOOP_LOOK_MS   1000    /* while timers are set, the clock is read at least this often */
#define LOOP_FROZEN_US 1000000 /* a wait this much too long may be a freeze: see give_back() */
#define LOOP_POSTS_MAX 1000 /* most posted functions to run per turn of the loop; more is a bug */

/* What the kernel said of our processor time when we last asked. */
struct runtime_seen {
    uint64_t at_us;   /* when we asked, CLOCK_MONOTONIC; 0: never */
    uint64_t busy_us; /* time spent running, or runnable and waiting for a processor */
};

struct loop {
    h2o_evloop_t *h2o; /* owned */
    struct loop_watch signals;
    struct loop_watch alarm; /* timerfd for waits under 1 ms, which epoll_wait() cannot do */
    struct list timers;      /* by at_us, soonest first */
    struct list posts;       /* work posted by loop_post(), oldest first */
    struct list children;    /* watched and not reaped yet */
    uint64_t now_us;         /* CLOCK_MONOTONIC minus frozen_us; 0: read it when next needed */
    uint64_t looked_at_us;   /* the last reading of CLOCK_MONOTONIC */
    uint64_t may_wait_us;    /* longest timeout of an epoll wait since looked_at_us */
    uint64_t frozen_us;      /* total time for which we were frozen (SIGSTOP, docker pause) */
    struct runtime_seen seen;
    struct busy_poll busy_poll;
    loop_signal_fn *on_signal;
    void *on_signal_owner; /* borrowed */
    bool children_changed;
    bool noticed; /* in this turn of the loop a watched descriptor was readable or writable */
    bool stopped;
};

static void on_signals(struct loop_watch *watch);
static void on_alarm(struct loop_watch *watch);

/* Ask the kernel how long we have been running or runnable. false: the kernel does not tell. */
static bool see_runtime(struct runtime_seen *seen, uint64_t clock_us)
{
    char text[128];
    char *end;

    if (!file_read_text("/proc/self/schedstat", text, sizeof(text)))
        return false;
    seen->busy_us = strtoull(text, &end, 10) / 1000;
    seen->busy_us += strtoull(end, NULL, 10) / 1000;
    seen->at_us = clock_us;
    return true;
}

struct loop *loop_new(struct err *err)
{
    struct loop *loop;
    sigset_t set;
    int fd;
    int alarm_fd;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* write() then fails normally at a file's size limit */
    /* our parent may have set SIGCHLD to ignore: then no exit would be reported */
    (void)signal(SIGCHLD, SIG_DFL);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        (void)err_set(err, ERR_SYSTEM, errno, "cannot watch signals: %s", strerror(errno));
        return NULL;
    }
    alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (alarm_fd < 0) {
        (void)err_set(err, ERR_SYSTEM, errno, "cannot make a timer: %s", strerror(errno));
        (void)close(fd);
        return NULL;
    }
    loop = xcalloc(1, sizeof(*loop));
    list_init(&loop->timers);
    list_init(&loop->posts);
    list_init(&loop->children);
    loop->looked_at_us = loop_clock_ns() / 1000;
    (void)see_runtime(&loop->seen, loop->looked_at_us);
    loop->h2o = h2o_evloop_create();
    loop_watch_init(&loop->signals);
    loop_watch_open(loop, &loop->signals, fd);
    loop_watch_read(&loop->signals, on_signals);
    loop_watch_init(&loop->alarm);
    loop_watch_open(loop, &loop->alarm, alarm_fd);
    loop_watch_read(&loop->alarm, on_alarm);
    return loop;
}

void loop_free(struct loop **loop)
{
    if (*loop == NULL)
        return;
    loop_watch_close(&(*loop)->signals);
    loop_watch_close(&(*loop)->alarm);
    (void)h2o_evloop_run((*loop)->h2o, 0); /* lets libh2o free the sockets that were closed */
    h2o_evloop_destroy((*loop)->h2o);
    free(*loop);
    *loop = NULL;
}

void *loop_h2o(struct loop *loop)
{
    return loop->h2o;
}

uint64_t loop_clock_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/*
 * Called after a wait that was much too long. If we were frozen (not runnable), subtract that time
 * from loop time, so that all deadlines move. If we were starved (runnable, but without a
 * processor), deadlines stay: the action may be the cause, and must not gain time by it. since_us:
 * the time since the clock was last read. loop->seen was read at most a second before that.
 */
static void give_back(struct loop *loop, uint64_t clock_us, uint64_t since_us)
{
    struct runtime_seen before = loop->seen;
    bool known = see_runtime(&loop->seen, clock_us) && before.at_us > 0;
    uint64_t busy_us = known ? loop->seen.busy_us - before.busy_us : 0;
    uint64_t frozen_us = since_us > busy_us ? since_us - busy_us : 0;

    if (frozen_us < LOOP_FROZEN_US) {
        log_info("loop.starved", log_count("ms", since_us / 1000));
        return;
    }
    loop->frozen_us += frozen_us; /* includes the planned wait: when the freeze began is unknown */
    log_info("loop.frozen", log_count("ms", frozen_us / 1000));
}

/* After a freeze (docker pause, SIGSTOP) all deadlines would have passed, although neither we nor
 * the action had time to work. So loop time leaves the frozen time out. */
static uint64_t look_at_clock(struct loop *loop)
{
    uint64_t clock_us = loop_clock_ns() / 1000 + 1;
    uint64_t since_us = clock_us - loop->looked_at_us;

    if (since_us > loop->may_wait_us + LOOP_FROZEN_US)
        give_back(loop, clock_us, since_us);
    else if (clock_us - loop->seen.at_us >= LOOP_LOOK_MS * 1000)
        see_runtime(&loop->seen, clock_us);
    loop->looked_at_us = clock_us;
    loop->may_wait_us = 0;
    return clock_us - loop->frozen_us;
}

uint64_t loop_now_us(const struct loop *loop)
{
    struct loop *cache = (struct loop *)(uintptr_t)loop; /* drops const: we cache the time */

    if (cache->now_us == 0)
        cache->now_us = look_at_clock(cache);
    return cache->now_us;
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return loop_now_us(loop) / 1000;
}

void loop_busy_poll(struct loop *loop, uint64_t limit_us)
{
    loop->busy_poll.limit_us = limit_us;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

/* ---- signals and children ---- */

int loop_signal_fd(const struct loop *loop)
{
    return loop->signals.fd;
}

static void on_signals(struct loop_watch *watch)
{
    struct loop *loop = container_of(watch, struct loop, signals);
    struct signalfd_siginfo info;

    while (read(watch->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGCHLD)
            loop->children_changed = true;
        else if (loop->on_signal != NULL)
            loop->on_signal(loop->on_signal_owner, (int)info.ssi_signo);
    }
}

void loop_on_signal(struct loop *loop, loop_signal_fn *fn, void *owner)
{
    loop->on_signal = fn;
    loop->on_signal_owner = owner;
}

void loop_child_init(struct loop_child *child)
{
    list_init(&child->node);
    child->pid = 0;
    child->fn = NULL;
}

void loop_child_watch(struct loop *loop, struct loop_child *child, pid_t pid, loop_child_fn *fn)
{
    assert(list_empty(&child->node));
    assert(pid > 0);
    assert(fn != NULL);
    child->pid = pid;
    child->fn = fn;
    list_add_tail(&loop->children, &child->node);
}

void loop_child_forget(struct loop_child *child)
{
    list_remove(&child->node);
}

bool loop_child_is_watched(const struct loop *loop, pid_t pid)
{
    list_each(node, &loop->children)
        if (list_item(node, struct loop_child, node)->pid == pid)
            return true;
    return false;
}

/* A child may have made us its tracer, by PTRACE_TRACEME. Then the child stops at each signal, and
 * at exec, which raises SIGTRAP. Stop tracing, so that the child goes on. */
static void let_go(pid_t pid, int signo)
{
    uintptr_t passed = signo == SIGTRAP ? 0 : (uintptr_t)signo;

    assert(pid > 0 && signo > 0);
    if (ptrace(PTRACE_DETACH, pid, NULL, (void *)passed) < 0)
        (void)kill(pid, SIGKILL); /* ptrace() failed, and the child must not stay stopped */
}

/* As PID 1 or subreaper we inherit orphans: reap all children, but report only those that are
 * watched. */
static void reap(struct loop *loop)
{
    int status;
    pid_t pid;

    if (!loop->children_changed)
        return;
    loop->children_changed = false;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0 || (pid < 0 && errno == EINTR)) {
        if (pid > 0 && WIFSTOPPED(status)) {
            let_go(pid, WSTOPSIG(status));
            continue;
        }
        list_each(node, &loop->children) {
            struct loop_child *child = list_item(node, struct loop_child, node);

            if (child->pid == pid) {
                list_remove(node);
                child->fn(child, status);
                break;
            }
        }
    }
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

    assert(timer->fn != NULL);
    if (loop_timer_is_set(timer) && timer->at_us == at_us)
        return;
    list_remove(&timer->node);
    /* Search from the back: a new timer is usually the last one to be due. */
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

/* Run only timers that are due now. If a callback sets a timer to the past, that timer runs in the
 * next turn of the loop, so that descriptors are served in between. */
static void run_timers(struct loop *loop)
{
    struct list due;
    struct list *node;

    list_init(&due);
    while (!list_empty(&loop->timers)) {
        node = loop->timers.next;
        if (list_item(node, struct loop_timer, node)->at_us > loop_now_us(loop))
            break;
        list_remove(node);
        list_add_tail(&due, node);
    }
    while ((node = list_take_first(&due)) != NULL) {
        struct loop_timer *timer = list_item(node, struct loop_timer, node);

        assert(timer->at_us <= loop->now_us);
        timer->fn(timer);
    }
}

static void on_alarm(struct loop_watch *watch)
{
    uint64_t n_expired;

    (void)!read(watch->fd, &n_expired, sizeof(n_expired)); /* the alarm only had to end the wait */
}

static void set_alarm(struct loop *loop, uint64_t in_us)
{
    struct itimerspec when = {.it_value = {.tv_nsec = (long)in_us * 1000}};

    assert(in_us > 0);
    assert(in_us < 1000);
    (void)timerfd_settime(loop->alarm.fd, 0, &when, NULL);
}

/* Whether there is work to do without waiting for a descriptor. */
static bool has_work(const struct loop *loop)
{
    return loop->children_changed || !list_empty(&loop->posts);
}

/* How many milliseconds this turn of the loop may wait for events. */
static int32_t wait_ms(struct loop *loop)
{
    uint64_t now_us;
    uint64_t at_us;

    loop->now_us = 0; /* read the clock anew */
    if (has_work(loop))
        return 0;
    now_us = loop_now_us(loop);
    if (list_empty(&loop->timers)) {
        loop->may_wait_us = UINT64_MAX / 2; /* no timers: no need to notice that we were frozen */
        return INT32_MAX;
    }
    at_us = list_item(loop->timers.next, struct loop_timer, node)->at_us;
    if (at_us <= now_us)
        return 0;
    if (at_us - now_us < 1000) {
        set_alarm(loop, at_us - now_us);
        return LOOP_LOOK_MS;
    }
    if (at_us - now_us < LOOP_LOOK_MS * 1000) {
        loop->may_wait_us = at_us - now_us;
        return (int32_t)((at_us - now_us) / 1000);
    }
    loop->may_wait_us = LOOP_LOOK_MS * 1000;
    return LOOP_LOOK_MS;
}

/* ---- posted work ---- */

void loop_post_init(struct loop_post *post, loop_post_fn *fn)
{
    list_init(&post->node);
    post->fn = fn;
}

void loop_post(struct loop *loop, struct loop_post *post)
{
    assert(post->fn != NULL);
    if (list_empty(&post->node))
        list_add_tail(&loop->posts, &post->node);
}

void loop_post_cancel(struct loop_post *post)
{
    list_remove(&post->node);
}

/*
 * Run posted work, and what this work posts. After LOOP_POSTS_MAX pieces leave the rest to the next
 * turn of the loop, so that descriptors are served in between.
 *
 * Then let libh2o finish the writes of this turn. If it looked for events first, it would watch a
 * socket that a write has filled, never stop, and abort once there is room (libh2o 2.2.5).
 */
static void run_posts(struct loop *loop)
{
    unsigned left = LOOP_POSTS_MAX;
    struct list *node;

    do {
        for (; left > 0 && (node = list_take_first(&loop->posts)) != NULL; left--) {
            struct loop_post *post = list_item(node, struct loop_post, node);

            post->fn(post);
        }
        if (loop->h2o->_pending_as_server != NULL || loop->h2o->_pending_as_client != NULL)
            h2o_timeout__do_post_callback(loop->h2o);
    } while (left > 0 && !list_empty(&loop->posts));
}

/* Wait for events for at most `wait` milliseconds, and run what is ready. */
static void run_ready(struct loop *loop, int32_t wait)
{
    assert(wait >= 0);
    loop->now_us = 0;
    /* h2o_evloop_run() returns -1 if a signal that we do not block (SIGCONT after SIGSTOP)
     * interrupts it. That is no error: the next turn of the loop waits again. */
    (void)h2o_evloop_run(loop->h2o, wait);
}

/* Look for events without sleeping, for limit_us but at most `wait` milliseconds, and let other
 * processes run in between. false: no event came in time. */
static bool look_for_events(struct loop *loop, int32_t wait)
{
    uint64_t limit_us = loop->busy_poll.limit_us;
    uint64_t until_ns;

    assert(wait > 0);
    assert(limit_us > 0);
    if (limit_us > (uint64_t)wait * 1000)
        limit_us = (uint64_t)wait * 1000;
    until_ns = loop_clock_ns() + limit_us * 1000;

    do {
        run_ready(loop, 0);
        if (loop->noticed || loop->stopped || has_work(loop))
            return true;
        (void)sched_yield();
    } while (loop_clock_ns() < until_ns);
    return false;
}

/* Wait for events, at first without sleeping if that pays, and run what is ready. */
static void take_events(struct loop *loop)
{
    int32_t wait = wait_ms(loop);
    uint64_t since_us;

    loop->noticed = false;
    if (wait > 0 && busy_poll_pays(&loop->busy_poll)) {
        bool found = look_for_events(loop, wait);

        busy_poll_learn(&loop->busy_poll, found);
        if (!found)
            run_ready(loop, wait_ms(loop)); /* wait_ms() again: a callback may have set a timer */
        return;
    }
    since_us = loop->looked_at_us;
    run_ready(loop, wait);
    (void)loop_now_us(loop);
    if (wait > 0)
        busy_poll_learn(&loop->busy_poll, loop->looked_at_us - since_us <= BUSY_POLL_SOON_US);
}

void loop_run(struct loop *loop)
{
    loop->stopped = false;
    while (!loop->stopped) {
        take_events(loop);
        (void)loop_now_us(loop);
        reap(loop);
        run_timers(loop);
        run_posts(loop);
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
    assert(watch->sock == NULL);
    assert(fd >= 0);
    /* With this flag libh2o does not read from the descriptor, but tells when it is readable. */
    watch->sock = h2o_evloop_socket_create(loop->h2o, fd, H2O_SOCKET_FLAG_DONT_READ);
    watch->sock->data = watch;
    watch->loop = loop;
    watch->fd = fd;
}

void loop_watch_close(struct loop_watch *watch)
{
    if (watch->sock != NULL) {
        assert(watch->sock->data == watch);
        h2o_socket_close(watch->sock);
    }
    loop_watch_init(watch);
}

static void on_h2o_readable(h2o_socket_t *sock, const char *error)
{
    struct loop_watch *watch = sock->data;

    (void)error; /* on_readable() will get it from read() */
    assert(watch->sock == sock);
    watch->loop->noticed = true;
    if (watch->on_readable != NULL)
        watch->on_readable(watch);
}

static void on_h2o_writable(h2o_socket_t *sock, const char *error)
{
    struct loop_watch *watch = sock->data;
    loop_watch_fn *fn = watch->on_writable;

    (void)error;
    assert(watch->sock == sock);
    watch->loop->noticed = true;
    watch->on_writable = NULL;
    if (fn != NULL)
        fn(watch);
}

void loop_watch_read(struct loop_watch *watch, loop_watch_fn *on_readable)
{
    assert(watch->sock != NULL);
    watch->on_readable = on_readable;
    if (on_readable != NULL)
        h2o_socket_read_start(watch->sock, on_h2o_readable);
    else
        h2o_socket_read_stop(watch->sock);
}

void loop_watch_move(struct loop_watch *from, struct loop_watch *to)
{
    assert(from->sock != NULL && to->sock == NULL);
    assert(from->on_writable == NULL);
    loop_watch_read(from, NULL);
    to->sock = from->sock;
    to->sock->data = to;
    to->loop = from->loop;
    to->fd = from->fd;
    loop_watch_init(from);
}

void loop_watch_write(struct loop_watch *watch, loop_watch_fn *on_writable)
{
    assert(watch->sock != NULL);
    if (watch->on_writable == NULL && on_writable != NULL)
        h2o_socket_notify_write(watch->sock, on_h2o_writable);
    watch->on_writable = on_writable;
}

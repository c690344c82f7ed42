#pragma once

/*
 * loop - descriptors, timers, posted work, signals and child processes on libh2o's event loop.
 *
 * One thread, no locks. Callbacks are called by loop_run(), never from inside another function of
 * this header. Loop time is CLOCK_MONOTONIC, read once per turn of loop_run(), minus all times for
 * which the process was frozen: when a container is thawed, its deadlines are as far away as
 * before.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"

struct err;
struct loop;
struct st_h2o_socket_t;

/* Make a loop. From now on SIGCHLD, SIGTERM, SIGINT and SIGHUP are blocked, since the loop reads
 * them, and SIGPIPE and SIGXFSZ are ignored. NULL: it failed, err is filled. */
struct loop *loop_new(struct err *err);
void loop_free(struct loop **loop);
/* A descriptor, owned by the loop, that is readable while a signal waits to be read by loop_run().
 * Code that has to block before loop_run() is called polls this descriptor, too, and gives up when
 * a signal comes. */
int loop_signal_fd(const struct loop *loop);
/* Serve events until loop_stop() is called. A turn waits for events once and handles them. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* Before sleeping, look for events for limit_us microseconds. This is done only while most waits
 * for events are short (base/busy_poll.h). limit_us is 0, as at first: never look. */
void loop_busy_poll(struct loop *loop, uint64_t limit_us);
/* Loop time in milliseconds: CLOCK_MONOTONIC minus the times for which the process was frozen. Read
 * after each wait for events, then unchanged until the next wait. */
uint64_t loop_now_ms(const struct loop *loop);
/* Like loop_now_ms(), in microseconds. */
uint64_t loop_now_us(const struct loop *loop);
/* CLOCK_MONOTONIC in nanoseconds, read by this call. Use it to measure durations. To decide what is
 * due, use loop_now_ms(). */
uint64_t loop_clock_ns(void);
/* libh2o's own loop object, for http/server.c only. */
void *loop_h2o(struct loop *loop);

/* ---- timers: each runs once, set it again to repeat ---- */

struct loop_timer;
typedef void loop_timer_fn(struct loop_timer *timer);

struct loop_timer {
    struct list node; /* while set: in the loop's list, which is ordered by at_us */
    uint64_t at_us;
    loop_timer_fn *fn;
};

void loop_timer_init(struct loop_timer *timer, loop_timer_fn *fn);
void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t at_ms);
/* Like loop_timer_set(), in microseconds. A timer due in less than a millisecond costs two more
 * system calls. */
void loop_timer_set_us(struct loop *loop, struct loop_timer *timer, uint64_t at_us);
void loop_timer_clear(struct loop_timer *timer);
static inline bool loop_timer_is_set(const struct loop_timer *timer)
{
    return !list_empty(&timer->node);
}

/* ---- posted work: runs once at the end of this turn, even if posted several times ---- */

struct loop_post;
typedef void loop_post_fn(struct loop_post *post);

struct loop_post {
    struct list node;
    loop_post_fn *fn;
};

void loop_post_init(struct loop_post *post, loop_post_fn *fn);
void loop_post(struct loop *loop, struct loop_post *post);
void loop_post_cancel(struct loop_post *post);

/* ---- descriptors ---- */

struct loop_watch;
typedef void loop_watch_fn(struct loop_watch *watch);

struct loop_watch {
    struct st_h2o_socket_t *sock; /* owned; closing it closes fd, too; NULL: the watch is closed */
    struct loop *loop;            /* borrowed */
    int fd;                       /* -1: the watch is closed */
    loop_watch_fn *on_readable;
    loop_watch_fn *on_writable;
};

void loop_watch_init(struct loop_watch *watch);
/* Watch fd, make it non-blocking, and own it: closing the watch closes fd. Not for regular
 * files. */
void loop_watch_open(struct loop *loop, struct loop_watch *watch, int fd);
void loop_watch_close(struct loop_watch *watch);
/* Move the descriptor of an open watch to a closed one. The callbacks are not moved. */
void loop_watch_move(struct loop_watch *from, struct loop_watch *to);
/* Call on_readable in each turn of the loop in which there is something to read. NULL: stop. */
void loop_watch_read(struct loop_watch *watch, loop_watch_fn *on_readable);
/* Call on_writable once, when there is room to write. NULL: stop. */
void loop_watch_write(struct loop_watch *watch, loop_watch_fn *on_writable);

/* ---- children: all that end are reaped, and watched ones are reported ---- */

struct loop_child;
typedef void loop_child_fn(struct loop_child *child, int wait_status);

struct loop_child {
    struct list node; /* in the loop's list from loop_child_watch() until the child is reaped */
    pid_t pid;
    loop_child_fn *fn;
};

void loop_child_init(struct loop_child *child);
/* Call fn, from the loop, when the child has ended. Call this in the same callback that creates the
 * process: the loop reaps children only between callbacks. */
void loop_child_watch(struct loop *loop, struct loop_child *child, pid_t pid, loop_child_fn *fn);
void loop_child_forget(struct loop_child *child);
/* Whether this process is watched. */
bool loop_child_is_watched(const struct loop *loop, pid_t pid);

/* ---- SIGTERM, SIGINT and SIGHUP ---- */

typedef void loop_signal_fn(void *owner, int signo);
void loop_on_signal(struct loop *loop, loop_signal_fn *fn, void *owner);

#pragma once

/* loop_parts - four of everything that the loop carries; they write down when they are called. */

#include <fcntl.h>
#include <unistd.h>

#include "loop_fixture.h"

#define N 4

/* One of everything the loop carries; each writes its name down when it is called. */
struct part {
    struct fixture *f;
    char name;
    struct loop_post post;
    struct loop_timer timer;
    struct loop_watch watch;
    struct loop_child child;
    int wait_status;
    unsigned n_again; /* posts or sets itself so often again */
};

struct fixture {
    struct loop *loop;
    struct part parts[N]; /* named a, b, c, d */
    int ours;             /* the watched end of a pipe is in parts[].watch; this is the other */
    char seen[4096];      /* names in the order of the calls */
    size_t n_seen;
    int signo;
};

static inline void see(struct part *part)
{
    if (part->f->n_seen < sizeof(part->f->seen) - 1)
        part->f->seen[part->f->n_seen++] = part->name;
}

static inline void on_post(struct loop_post *post)
{
    struct part *part = container_of(post, struct part, post);

    see(part);
    if (part->n_again > 0) {
        part->n_again--;
        loop_post(part->f->loop, post);
    }
}

static inline void on_timer(struct loop_timer *timer)
{
    struct part *part = container_of(timer, struct part, timer);

    see(part);
    if (part->n_again > 0) {
        part->n_again--;
        loop_timer_set(part->f->loop, timer, loop_now_ms(part->f->loop) + 1);
    }
}

static inline void on_timer_then_post(struct loop_timer *timer)
{
    struct part *part = container_of(timer, struct part, timer);

    see(part);
    loop_post(part->f->loop, &part->post);
}

static inline void on_watch(struct loop_watch *watch)
{
    see(container_of(watch, struct part, watch));
}

static inline void on_watch_then_close(struct loop_watch *watch)
{
    see(container_of(watch, struct part, watch));
    loop_watch_close(watch);
}

static inline void on_child(struct loop_child *child, int wait_status)
{
    struct part *part = container_of(child, struct part, child);

    see(part);
    part->wait_status = wait_status;
}

static inline void on_signal(void *owner, int signo)
{
    ((struct fixture *)owner)->signo = signo;
}

static inline int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    f->loop = loop_for_test();
    f->ours = -1;
    for (int i = 0; i < N; i++) {
        struct part *part = &f->parts[i];

        part->f = f;
        part->name = (char)('a' + i);
        loop_post_init(&part->post, on_post);
        loop_timer_init(&part->timer, on_timer);
        loop_watch_init(&part->watch);
        loop_child_init(&part->child);
    }
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < N; i++) {
        loop_post_cancel(&f->parts[i].post);
        loop_timer_clear(&f->parts[i].timer);
        loop_watch_close(&f->parts[i].watch);
        loop_child_forget(&f->parts[i].child);
    }
    fd_close(&f->ours);
    loop_free(&f->loop);
    free(f);
    return 0;
}

static inline bool something_was_seen(void *subject)
{
    const struct fixture *f = subject;

    return f->n_seen > 0;
}

static inline bool all_were_seen(void *subject)
{
    const struct fixture *f = subject;

    return f->n_seen >= N;
}

static inline bool a_signal_came(void *subject)
{
    const struct fixture *f = subject;

    return f->signo != 0;
}

/* Watch the reading end of a pipe as parts[0]. */
static inline void watch_pipe_to_read(struct fixture *f, loop_watch_fn *fn)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    f->ours = ends[1];
    loop_watch_open(f->loop, &f->parts[0].watch, ends[0]);
    loop_watch_read(&f->parts[0].watch, fn);
}

static inline void watch_pipe_to_write(struct fixture *f)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    f->ours = ends[0];
    loop_watch_open(f->loop, &f->parts[0].watch, ends[1]);
}

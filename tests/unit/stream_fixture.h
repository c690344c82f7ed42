#pragma once

/* stream_fixture - a loop, a folder with a named pipe, and what stands at 0 and 1 for one case. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "folder.h"
#include "loop_fixture.h"

struct streams {
    struct folder folder; /* first: folder_set_up() */
    struct loop *loop;
    char *fifo;            /* owned */
    int others[2];         /* what the case keeps of its pipe or socket; -1: closed */
    int saved[2];          /* the program's own 0 and 1; -1: they stand where they were */
    struct loop_post told; /* what an inlet or outlet posts */
    unsigned n_told;
};

static inline void on_told(struct loop_post *post)
{
    container_of(post, struct streams, told)->n_told++;
}

static inline bool was_told(void *subject)
{
    return ((struct streams *)subject)->n_told > 0;
}

/* set_up of a fixture whose first member is this: the rest is zero. */
static inline void *streams_set_up(void **state, size_t size)
{
    struct streams *s = folder_set_up(state, size);

    s->loop = loop_for_test();
    s->fifo = xasprintf("%s/fifo", s->folder.outer);
    assert_int_equal(mkfifo(s->fifo, 0600), 0);
    s->others[0] = s->others[1] = s->saved[0] = s->saved[1] = -1;
    loop_post_init(&s->told, on_told);
    return s;
}

/* ... and its tear_down, the last of what is to be done there. */
static inline int streams_tear_down(void **state)
{
    struct streams *s = *state;

    loop_post_cancel(&s->told);
    for (int i = 0; i < 2; i++) {
        fd_close(&s->others[i]);
        if (s->saved[i] >= 0)
            assert_int_equal(dup2(s->saved[i], i), i);
        fd_close(&s->saved[i]);
    }
    loop_free(&s->loop);
    free(s->fifo);
    return folder_tear_down(state);
}

/* Put fd, which is closed, in the place of 0 or 1 until the case ends; -1: there is nothing. */
static inline void stand_in(struct streams *s, int place, int fd)
{
    assert_true(place == STDIN_FILENO || place == STDOUT_FILENO);
    (void)fflush(stdout);
    if (s->saved[place] < 0)
        s->saved[place] = fcntl(place, F_DUPFD_CLOEXEC, 3);
    if (fd >= 0)
        assert_int_equal(dup2(fd, place), place);
    else
        (void)close(place);
    fd_close(&fd);
}

/* A pipe to stdin or from stdout; the case keeps its other end as others[place]. */
static inline void stand_in_pipe(struct streams *s, int place)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    s->others[place] = ends[1 - place];
    stand_in(s, place, ends[place]);
}

/* One socket as stdin and stdout, the way inetd and socat give it; the other end as others[0]. */
static inline void stand_in_socket(struct streams *s)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    s->others[0] = ends[0];
    stand_in(s, STDOUT_FILENO, fcntl(ends[1], F_DUPFD_CLOEXEC, 0));
    stand_in(s, STDIN_FILENO, ends[1]);
}

static inline void stand_in_file(struct streams *s, int place, const char *path)
{
    int fd = open(path, place == STDIN_FILENO ? O_RDONLY : O_WRONLY);

    assert_true(fd >= 0);
    stand_in(s, place, fd);
}

static inline bool is_blocking(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
}

static inline void put(int fd, const char *text)
{
    assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

/* Bytes that wait to be read there. */
static inline int n_unread(int fd)
{
    int n = 0;

    assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
    return n;
}

typedef uint64_t count_fn(void *subject);

/* The most that a count grows by in one turn of the loop. */
struct growth {
    struct loop *loop;
    struct loop_timer each;
    count_fn *count;
    void *subject;
    uint64_t n; /* at the last look */
    uint64_t most;
};

static inline void growth_on_turn(struct loop_timer *timer)
{
    struct growth *growth = container_of(timer, struct growth, each);
    uint64_t n = growth->count(growth->subject);

    growth->most = n - growth->n > growth->most ? n - growth->n : growth->most;
    growth->n = n;
    loop_timer_set(growth->loop, timer, 0);
}

/* growth: loop, count and subject are filled in. */
static inline void growth_begin(struct growth *growth)
{
    loop_timer_init(&growth->each, growth_on_turn);
    loop_timer_set(growth->loop, &growth->each, 0);
}

static inline void growth_end(struct growth *growth)
{
    loop_turn(growth->loop, 1); /* the last turn counts, too */
    loop_timer_clear(&growth->each);
}

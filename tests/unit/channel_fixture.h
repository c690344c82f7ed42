#pragma once

/* channel_fixture - a channel whose worker is the test itself: it holds the other ends. */

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "loop_fixture.h"
#include "worker/channel.h"
#include "worker/spawn.h"

#define ANSWER_MAX_BYTES 200000 /* longer than what is passed on in pieces */

struct fixture {
    struct loop *loop;
    struct capture out;
    struct capture err;
    struct channel channel;
    int theirs[4]; /* the worker's descriptors 0 to 3 */
    unsigned n_readable;
    bool guesses; /* channel_decide() is not certain */
};

static inline void on_fd1(struct loop_watch *watch)
{
    struct fixture *f = container_of(watch, struct fixture, channel.fd1);

    f->n_readable++;
    loop_watch_read(watch, NULL);
}

static inline void on_fd3(struct loop_watch *watch)
{
    struct fixture *f = container_of(watch, struct fixture, channel.fd3);

    f->n_readable++;
    loop_watch_read(watch, NULL);
}

static inline void channel_start(struct fixture *f, enum answers answers)
{
    struct spawned spawned;
    int ours[4];

    for (int i = 0; i < 4; i++) {
        int ends[2];

        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        ours[i] = ends[i == 0];
        f->theirs[i] = ends[i != 0];
        (void)fcntl(f->theirs[i], F_SETPIPE_SZ, 1 << 20);
    }
    spawned =
        (struct spawned){.in = ours[0], .fd1 = ours[1], .fd2 = ours[2], .fd3 = ours[3], .ring = -1};
    channel_open(&f->channel, f->loop, &spawned, answers, on_fd1, on_fd3);
}

static inline int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    f->loop = loop_for_test();
    capture_open(&f->out, f->loop);
    capture_open(&f->err, f->loop);
    channel_init(&f->channel, &f->out.output, &f->err.output, ANSWER_MAX_BYTES);
    memset(f->theirs, 0xff, sizeof(f->theirs));
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;

    channel_close(&f->channel);
    for (int i = 0; i < 4; i++)
        fd_close(&f->theirs[i]);
    capture_close(&f->out);
    capture_close(&f->err);
    loop_free(&f->loop);
    free(f);
    return 0;
}

/* The worker writes. */
static inline void say(struct fixture *f, int fd, const char *text)
{
    assert_int_equal(fd_write_all(f->theirs[fd], text, strlen(text)), 0);
}

/* c, n times, with `first` before and `last` after it. */
static inline void say_long(struct fixture *f, int fd, const char *first, size_t n,
                            const char *last)
{
    auto_free char *bytes = xmalloc(n);

    memset(bytes, 'x', n);
    say(f, fd, first);
    assert_int_equal(fd_write_all(f->theirs[fd], bytes, n), 0);
    say(f, fd, last);
}

/* One line to the worker, as worker/worker.c does. */
static inline void give(struct fixture *f, const char *text)
{
    auto_free char *copy = xstrdup(text);
    struct iovec line = {copy, strlen(text)};

    assert_int_equal(stdin_pipe_write(&f->channel.in, &line, 1), strlen(text));
}

static inline enum channel_result hear(struct fixture *f, enum channel_wanted wanted,
                                       const char **text, size_t *n)
{
    enum channel_result result;

    (void)channel_pull(&f->channel);
    result = channel_next(&f->channel, wanted, text, n);
    if (result == CHANNEL_NONE && channel_is_undecided(&f->channel)) {
        channel_decide(&f->channel, !f->guesses); /* it would be seen back at its input */
        result = channel_next(&f->channel, wanted, text, n);
    }
    return result;
}

static inline void assert_hears(struct fixture *f, enum channel_wanted wanted, const char *line)
{
    const char *text;
    size_t n;

    assert_int_equal(hear(f, wanted, &text, &n), CHANNEL_LINE);
    assert_int_equal(n, strlen(line));
    assert_memory_equal(text, line, n);
}

static inline void assert_hears_nothing(struct fixture *f, enum channel_wanted wanted)
{
    const char *text;
    size_t n;

    assert_int_equal(hear(f, wanted, &text, &n), CHANNEL_NONE);
}

static inline void assert_hears_too_long(struct fixture *f, enum channel_wanted wanted)
{
    const char *text;
    size_t n;

    assert_int_equal(hear(f, wanted, &text, &n), CHANNEL_TOO_LONG);
}

#pragma once

/*
 * loop_fixture - drive the real loop until something holds, and catch what goes to an output
 * stream.
 *
 * Nothing here sleeps: a test waits for a fact, and fails when it has not come after LIMIT_MS.
 * A test that waits for time to pass sets `hurry_ms`: the clock then gains that much each
 * millisecond.
 */

#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/output.h"
#include "base/util.h"

#define LIMIT_MS 20000 /* far beyond what a slow machine under sanitizers needs */
#define HURRY_MS 20    /* for hurry_ms: a second passes in 50 looks */
#define STUCK_S  30    /* a callback that never returns: SIGALRM ends the program */

static uint64_t ahead_ms; /* of CLOCK_MONOTONIC, as if so much time had passed */
static uint64_t hurry_ms; /* added to it before each look at the fact; reset by loop_for_test() */

/* The loop's clock. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);

    if (clock == CLOCK_MONOTONIC) {
        now->tv_nsec += (long)(ahead_ms % 1000) * 1000000;
        now->tv_sec += (time_t)(ahead_ms / 1000) + now->tv_nsec / 1000000000;
        now->tv_nsec %= 1000000000;
    }
    return result;
}

typedef bool holds_fn(void *subject);

struct until {
    struct loop *loop;
    struct loop_timer look;
    struct loop_timer limit;
    holds_fn *holds;
    void *subject;
    bool late;
};

static inline void until_on_look(struct loop_timer *timer)
{
    struct until *until = container_of(timer, struct until, look);

    ahead_ms += hurry_ms;
    if (until->holds(until->subject))
        loop_stop(until->loop);
    else
        loop_timer_set(until->loop, &until->look, loop_now_ms(until->loop) + 1);
}

static inline void until_on_limit(struct loop_timer *timer)
{
    struct until *until = container_of(timer, struct until, limit);

    until->late = true;
    loop_stop(until->loop);
}

static inline bool loop_comes_to(struct loop *loop, holds_fn *holds, void *subject)
{
    struct until until = {.loop = loop, .holds = holds, .subject = subject};

    loop_timer_init(&until.look, until_on_look);
    loop_timer_init(&until.limit, until_on_limit);
    loop_timer_set(loop, &until.look, 0);
    loop_timer_set(loop, &until.limit, loop_now_ms(loop) + LIMIT_MS * (1 + hurry_ms));
    loop_run(loop);
    loop_timer_clear(&until.look);
    loop_timer_clear(&until.limit);
    return !until.late;
}

/* Turn the loop until holds(subject); fails the test when that does not come. */
#define loop_until(loop, holds, subject)                                                           \
    do {                                                                                           \
        if (!loop_comes_to(loop, holds, subject))                                                  \
            fail_msg("%s() did not come to hold in time", #holds);                                 \
    } while (0)

static inline bool never_waits(void *subject)
{
    unsigned *n_left = subject;

    return (*n_left)-- == 0;
}

/* Let the loop turn a few times, for what must not happen. */
static inline void loop_turn(struct loop *loop, unsigned n_turns)
{
    (void)loop_comes_to(loop, never_waits, &n_turns);
}

static inline struct loop *loop_for_test(void)
{
    struct err err;
    struct loop *loop = loop_new(&err);

    assert_non_null(loop);
    hurry_ms = 0;
    (void)alarm(STUCK_S);
    return loop;
}

/* An output stream whose bytes stay in memory. */
struct capture {
    struct output output;
    int fd;
};

static inline void capture_open(struct capture *capture, struct loop *loop)
{
    capture->fd = memfd_create("capture", MFD_CLOEXEC);
    output_init(&capture->output, loop, capture->fd);
}

static inline void capture_close(struct capture *capture)
{
    output_done(&capture->output, 0);
    fd_close(&capture->fd);
}

/* What was written so far; caller frees. */
static inline char *capture_text(struct capture *capture)
{
    struct stat info;
    char *text;
    ssize_t n;

    output_flush(&capture->output);
    assert_int_equal(fstat(capture->fd, &info), 0);
    text = xcalloc((size_t)info.st_size + 1, 1);
    n = pread(capture->fd, text, (size_t)info.st_size, 0);
    assert_int_equal(n, info.st_size);
    return text;
}

static inline void assert_captured(struct capture *capture, const char *wanted)
{
    auto_free char *text = capture_text(capture);

    assert_string_equal(text, wanted);
}

static inline unsigned count_of(const char *needle, const char *text)
{
    unsigned n = 0;

    while ((text = strstr(text, needle)) != NULL) {
        text += strlen(needle);
        n++;
    }
    return n;
}

#pragma once

/*
 * feed - when a worker may be given lines, and how many at a time.
 *
 * A worker that announced `pipeline` works through its input strictly in order, so lines are
 * written ahead of its answers: as many as it does in about a millisecond, so that it never idles
 * and yet little is lost in its pipe when it dies. One that logs gets them one at a time, so that
 * each log line stands before its own sentinel. One that announced nothing gets a line only once it
 * is seen waiting for it. One that does several activations at a time gets as many as it announced:
 * what belongs together is told by number there, not by order.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "worker/waits.h"

struct feed {
    /* set by the owner at each start */
    unsigned ahead_max; /* setting: most lines ahead; 1: always one at a time */
    bool distrusted;    /* it answered unasked once: whatever it announces is not believed */

    /* what the worker announced */
    unsigned pipeline;   /* lines that it takes ahead; 0: it announced nothing of the kind */
    unsigned concurrent; /* lines that it works on at a time, by number; 0: likewise */

    /* how it works */
    uint64_t work_ns;    /* per activation, smoothed; 0: not measured yet */
    uint64_t busy_at_ns; /* since when it works on what is in its pipe; 0: it has nothing */
    unsigned n_silent;   /* activations in a row that logged nothing */

    /* whether it can be seen waiting for input */
    struct waits waits;
    bool observable;
    bool seen;              /* it was seen waiting at least once */
    uint64_t unquiet_at_us; /* since when it was not seen waiting; 0: it was */
};

void feed_init(struct feed *feed, unsigned ahead_max);
/* A process was started, with these privileges (borrowed; NULL: ours). */
void feed_open(struct feed *feed, pid_t pid, const struct privileges *privileges);
void feed_close(struct feed *feed);

/* How many lines may be in its pipe now, or at work in it, 1 and more. */
unsigned feed_depth(const struct feed *feed);

/* Whether its lines and answers belong together by what it announced. If not, a line goes out only
 * when it is quiet. */
bool feed_is_trusted(const struct feed *feed);

/* Lines were written to a worker that had none, or answers came: measures its work.
 * n_answers in one read; more: lines are left in its pipe; logged: log bytes came with them.
 * Returns the time that each of the answers took, nanoseconds. */
void feed_began(struct feed *feed);
uint64_t feed_answered(struct feed *feed, unsigned n_answers, bool more, bool logged);

/* It wrote an answer that nobody waited for. true: it was trusted until now. Where answers have
 * numbers it can do no harm. */
bool feed_distrust(struct feed *feed);

/* Whether the next line may be written: nothing that comes after it can be older than it.
 * now_us: loop time. false: ask again in FEED_LOOK_US. */
bool feed_is_quiet(struct feed *feed, uint64_t now_us);

#define FEED_LOOK_US 200 /* between two looks whether a worker waits for input */

#include "worker/feed.h"

#include <assert.h>
#include <sched.h>
#include <string.h>

#include "base/loop.h"

#define AHEAD_NS         1000000 /* work written ahead: a worker's wake-up costs a tenth of it */
#define SILENT_BEFORE    16      /* activations without a log line before lines go ahead */
#define WORK_SHARE       8       /* a new measurement counts for one in so many */
#define QUIET_YIELDS     4       /* looks at once, giving up the processor in between */
#define QUIET_GIVE_UP_US 1000000 /* blocked elsewhere for so long: it cannot be seen, go without */
#define NEVER_SEEN_US    5000    /* ... when it never was: a thread of its own may read */

void feed_init(struct feed *feed, unsigned ahead_max)
{
    memset(feed, 0, sizeof(*feed));
    feed->ahead_max = ahead_max;
    feed->waits.fd = -1;
}

void feed_open(struct feed *feed, pid_t pid, const struct privileges *privileges)
{
    bool distrusted = feed->distrusted;
    unsigned ahead_max = feed->ahead_max;

    feed_close(feed);
    feed_init(feed, ahead_max);
    feed->distrusted = distrusted;
    waits_open(&feed->waits, pid, privileges);
}

void feed_close(struct feed *feed)
{
    waits_close(&feed->waits);
}

unsigned feed_depth(const struct feed *feed)
{
    uint64_t n;

    if (feed->concurrent > 0)
        return feed->concurrent;
    if (feed->distrusted || feed->pipeline <= 1 || feed->ahead_max <= 1 ||
        feed->n_silent < SILENT_BEFORE)
        return 1;
    n = feed->work_ns > 0 ? AHEAD_NS / feed->work_ns : 1;
    if (n > feed->pipeline)
        n = feed->pipeline;
    if (n > feed->ahead_max)
        n = feed->ahead_max;
    return n > 1 ? (unsigned)n : 1;
}

bool feed_is_trusted(const struct feed *feed)
{
    return feed->concurrent > 0 || (feed->pipeline > 0 && !feed->distrusted);
}

void feed_began(struct feed *feed)
{
    if (feed->busy_at_ns == 0)
        feed->busy_at_ns = loop_clock_ns();
}

uint64_t feed_answered(struct feed *feed, unsigned n_answers, bool more, bool logged)
{
    uint64_t now_ns = loop_clock_ns();
    uint64_t each_ns;

    assert(n_answers > 0);
    each_ns = (now_ns - feed->busy_at_ns) / n_answers + 1;
    if (feed->work_ns == 0)
        feed->work_ns = each_ns;
    else
        feed->work_ns += each_ns / WORK_SHARE - feed->work_ns / WORK_SHARE;
    feed->busy_at_ns = more ? now_ns : 0;
    feed->n_silent = logged ? 0 : feed->n_silent + n_answers;
    return each_ns;
}

bool feed_distrust(struct feed *feed)
{
    bool trusted = feed->concurrent == 0 && feed_is_trusted(feed);

    if (trusted)
        feed->distrusted = feed->observable = true;
    return trusted;
}

bool feed_is_quiet(struct feed *feed, uint64_t now_us)
{
    enum waits_state state = WAITS_UNKNOWN;
    uint64_t give_up_us;

    if (feed_is_trusted(feed) || !feed->observable)
        return true;
    for (int i = 0; i < QUIET_YIELDS; i++) {
        state = waits_look(&feed->waits);
        if (state == WAITS_YES) {
            feed->seen = true;
            feed->unquiet_at_us = 0;
            return true;
        }
        if (state == WAITS_UNKNOWN)
            break;
        (void)sched_yield();
    }
    if (feed->unquiet_at_us == 0)
        feed->unquiet_at_us = now_us;
    give_up_us = feed->seen ? QUIET_GIVE_UP_US : NEVER_SEEN_US;
    if (state != WAITS_UNKNOWN && now_us - feed->unquiet_at_us < give_up_us)
        return false;
    /* At work with its last activation still, without a processor, or frozen: what it has yet to say
     * of that one would be taken for the next one's answer. */
    if (feed->seen && (state == WAITS_RUNS || waits_is_stopped(&feed->waits))) {
        feed->unquiet_at_us = now_us;
        return false;
    }
    feed->observable = false;
    return true;
}

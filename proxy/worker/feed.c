#include "worker/feed.h"

#include <assert.h>
#include <string.h>

#include "base/loop.h"

#define AHEAD_NS      1000000 /* work written ahead: a worker's wake-up costs a tenth of it */
#define SILENT_BEFORE 16      /* activations without a log line before lines go ahead */
#define WORK_SHARE    8       /* a new measurement counts for one in so many */

void feed_init(struct feed *feed, unsigned ahead_max, unsigned vouched)
{
    memset(feed, 0, sizeof(*feed));
    feed->ahead_max = ahead_max;
    feed->vouched = feed->pipeline = vouched;
}

void feed_open(struct feed *feed)
{
    bool distrusted = feed->distrusted;

    feed_init(feed, feed->ahead_max, feed->vouched);
    feed->distrusted = distrusted;
}

void feed_announced(struct feed *feed, unsigned pipeline, unsigned concurrent)
{
    feed->pipeline = pipeline > 0 ? pipeline : feed->vouched;
    feed->concurrent = concurrent;
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

bool feed_takes_care(const struct feed *feed)
{
    if (feed->concurrent > 0)
        return false;
    return feed->distrusted || (feed->pipeline == 0 && feed->n_answered < FEED_PROVEN);
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
    if (feed->n_answered < FEED_PROVEN)
        feed->n_answered += n_answers;
    return each_ns;
}

bool feed_distrust(struct feed *feed)
{
    bool is_new = feed->concurrent == 0 && !feed->distrusted;

    if (is_new)
        feed->distrusted = true;
    return is_new;
}

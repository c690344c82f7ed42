#include "worker/pacing.h"

#include <assert.h>

#include "base/loop.h"

#define AHEAD_NS 1000000 /* work to write ahead of answers: ten times the cost of a wake-up */
#define BATCH_NS 200000  /* less work than this is not worth waking another worker for */
/* light work takes at most this long per activation: twice the time that the proxy itself needs */
#define LIGHT_NS 50000
/* A worker is stalled if an activation takes longer than STALLED_NS, and longer than STALLED_TIMES
 * times its usual time. */
#define STALLED_NS    1000000
#define STALLED_TIMES 8
/* Only after this many activations in a row that logged nothing may the worker get lines before it
 * has answered earlier ones. */
#define SILENT_BEFORE 16
/* While other workers are idle, a worker gets several jobs only after this many activations in a
 * row that took less than a millisecond each. If one job takes long, those behind it wait. */
#define QUICK_BEFORE 4096
#define WORK_SHARE   8  /* weight of a new measurement in work_ns: 1 / WORK_SHARE */
#define LEAST_SHARE  64 /* weight of a new time in least_ns, if it is longer: 1 / LEAST_SHARE */

void pacing_open(struct pacing *pacing, unsigned ahead_max, unsigned vouched)
{
    *pacing = (struct pacing){.ahead_max = ahead_max,
                              .vouched = vouched,
                              .pipeline = vouched,
                              .distrusted = pacing->distrusted};
}

void pacing_announced(struct pacing *pacing, unsigned pipeline, unsigned concurrent)
{
    pacing->pipeline = pipeline > 0 ? pipeline : pacing->vouched;
    pacing->concurrent = concurrent;
}

unsigned pacing_depth(const struct pacing *pacing)
{
    uint64_t n;

    if (pacing->concurrent > 0)
        return pacing->concurrent;
    if (pacing->distrusted || pacing->pipeline <= 1 || pacing->ahead_max <= 1 ||
        pacing->n_silent < SILENT_BEFORE)
        return 1;
    n = pacing->work_ns > 0 ? AHEAD_NS / pacing->work_ns : 1;
    if (n > pacing->pipeline)
        n = pacing->pipeline;
    if (n > pacing->ahead_max)
        n = pacing->ahead_max;
    return n > 1 ? (unsigned)n : 1;
}

unsigned pacing_batch(const struct pacing *pacing)
{
    uint64_t n = pacing->work_ns > 0 ? BATCH_NS / pacing->work_ns : 1;
    unsigned depth = pacing_depth(pacing);

    assert(depth > 0);
    if (pacing->concurrent > 0 || n <= 1)
        return 1;
    return n < depth ? (unsigned)n : depth;
}

bool pacing_is_light(const struct pacing *pacing)
{
    return pacing->concurrent == 0 && pacing_depth(pacing) > 1 && pacing->least_ns <= LIGHT_NS;
}

bool pacing_is_soon_done(const struct pacing *pacing, unsigned n_jobs)
{
    return pacing_is_light(pacing) && pacing->n_quick >= QUICK_BEFORE &&
           n_jobs * pacing->least_ns < BATCH_NS;
}

bool pacing_is_stalled(const struct pacing *pacing, uint64_t now_ns)
{
    uint64_t since_ns = now_ns > pacing->busy_at_ns ? now_ns - pacing->busy_at_ns : 0;

    if (pacing->busy_at_ns == 0 || pacing->concurrent > 0)
        return false;
    return since_ns > STALLED_NS && since_ns > STALLED_TIMES * pacing->work_ns;
}

bool pacing_takes_care(const struct pacing *pacing)
{
    return pacing->concurrent == 0 && (pacing->distrusted || pacing->pipeline == 0);
}

void pacing_began(struct pacing *pacing)
{
    if (pacing->busy_at_ns == 0)
        pacing->busy_at_ns = loop_clock_ns();
}

uint64_t pacing_answered(struct pacing *pacing, unsigned n_answers, bool more, bool logged)
{
    uint64_t began_at_ns = pacing->busy_at_ns;
    uint64_t now_ns = loop_clock_ns();
    uint64_t each_ns;

    assert(n_answers > 0);
    assert(began_at_ns > 0); /* only a line that was written can be answered */
    each_ns = (now_ns - began_at_ns) / n_answers + 1;
    if (pacing->work_ns == 0)
        pacing->work_ns = each_ns;
    else
        pacing->work_ns += each_ns / WORK_SHARE - pacing->work_ns / WORK_SHARE;
    if (pacing->least_ns == 0 || each_ns < pacing->least_ns)
        pacing->least_ns = each_ns;
    else
        pacing->least_ns += each_ns / LEAST_SHARE - pacing->least_ns / LEAST_SHARE;
    pacing->busy_at_ns = more ? now_ns : 0;
    pacing->n_silent = logged ? 0 : pacing->n_silent + n_answers;
    if (now_ns - began_at_ns >= STALLED_NS + n_answers * pacing->least_ns)
        pacing->n_quick = 0;
    else
        pacing->n_quick += n_answers;
    return each_ns;
}

bool pacing_distrust(struct pacing *pacing)
{
    bool is_new = pacing->concurrent == 0 && !pacing->distrusted;

    if (is_new)
        pacing->distrusted = true;
    return is_new;
}

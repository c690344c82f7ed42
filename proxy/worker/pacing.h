#pragma once

/*
 * pacing - when a worker may be given lines, and how many at a time.
 *
 * A worker that announced `pipeline`, or that --pipeline vouches for, works through its input
 * strictly in order, so lines are written ahead of its answers: as many as it does in about a
 * millisecond, so that it never idles and yet little is lost in its pipe when it dies. One that
 * logs gets them one at a time, so that each log line stands before its own sentinel. One that does
 * several activations at a time gets as many as it announced: what belongs together is told by
 * number there, not by order.
 *
 * One that announced nothing gets one line at a time: with care as long as it is new, and for ever
 * once it has spoken out of turn (worker/give.h); else as soon as its answer is there.
 */

#include <stdbool.h>
#include <stdint.h>

/* Activations in turn before a process gets its lines without care: one that often speaks out of
 * turn is found out before. */
#define PACING_PROVEN 1000

struct pacing {
    /* set by the owner at each start */
    unsigned ahead_max; /* setting: most lines ahead; 1: always one at a time */
    unsigned vouched; /* setting: lines that it takes ahead though it announces nothing; 0: none */
    bool distrusted;  /* it answered unasked once: whatever it announces is not believed */

    /* what the worker announced */
    unsigned pipeline;   /* lines that it takes ahead; 0: it announced nothing of the kind */
    unsigned concurrent; /* lines that it works on at a time, by number; 0: likewise */

    /* how it works */
    uint64_t work_ns;    /* per activation, smoothed; 0: not measured yet */
    uint64_t busy_at_ns; /* since when it works on what is in its pipe; 0: it has nothing */
    unsigned n_silent;   /* activations in a row that logged nothing */
    unsigned n_answered; /* of this process, up to PACING_PROVEN */
};

void pacing_init(struct pacing *pacing, unsigned ahead_max, unsigned vouched);
/* A process was started. */
void pacing_open(struct pacing *pacing);
/* What it says of itself; 0: nothing. */
void pacing_announced(struct pacing *pacing, unsigned pipeline, unsigned concurrent);

/* How many lines may be in its pipe now, or at work in it, 1 and more. */
unsigned pacing_depth(const struct pacing *pacing);
/* How many of them go into one write before another worker is woken, 1 and more: what it does in
 * some 100 us. */
unsigned pacing_batch(const struct pacing *pacing);
/* Whether it has been at the same activation for far longer than most take. now_ns: as
 * loop_clock_ns(). */
bool pacing_is_stalled(const struct pacing *pacing, uint64_t now_ns);
/* Whether it gets one line at a time since nobody says anything else of it. */
static inline bool pacing_is_plain(const struct pacing *pacing)
{
    return pacing->pipeline == 0 && pacing->concurrent == 0;
}
/* Whether a line goes out only once it is known to wait for one. */
bool pacing_takes_care(const struct pacing *pacing);

/* Lines were written to a worker that had none, or answers came: measures its work.
 * n_answers in one read; more: lines are left in its pipe; logged: log bytes came with them.
 * Returns the time that each of the answers took, nanoseconds. */
void pacing_began(struct pacing *pacing);
uint64_t pacing_answered(struct pacing *pacing, unsigned n_answers, bool more, bool logged);

/* It has much to say: it gets one line at a time. */
static inline void pacing_logged(struct pacing *pacing)
{
    pacing->n_silent = 0;
}

/* It wrote an answer that nobody waited for. true: it was not known to do so. Where answers have
 * numbers it can do no harm. */
bool pacing_distrust(struct pacing *pacing);

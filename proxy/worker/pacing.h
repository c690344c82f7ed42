#pragma once

/*
 * pacing - when a worker may be given lines, and how many.
 *
 * In order: a worker that announced `pipeline`, or that --pipeline vouches for, works through its
 * input in order, so lines are written ahead of its answers: about a millisecond of work, enough to
 * keep it busy and little to lose when it dies. While it logs it gets one line at a time, so that
 * each log line stands before the sentinel of its activation.
 *
 * Numbered: a worker that announced `concurrent` gets as many lines as it announced; request ids
 * tell which answer belongs to which line.
 *
 * One that announced nothing, or has answered unasked, gets one line at a time, and only when it is
 * back at its input (worker/give.h).
 */

#include <stdbool.h>
#include <stdint.h>

struct pacing {
    /* kept from one process to the next */
    unsigned ahead_max; /* setting: most lines written ahead; 1: one at a time */
    unsigned vouched;   /* setting --pipeline: lines ahead for a process that announces nothing */
    bool distrusted;    /* a process wrote an answer without a job: `pipeline` is ignored */

    /* what the worker announced */
    unsigned pipeline;   /* lines that it takes ahead; 0: not announced */
    unsigned concurrent; /* lines that it works on at a time, with request ids; 0: not announced */

    /* how it works */
    uint64_t work_ns; /* time per activation, smoothed; 0: not measured yet */
    /* least time per activation lately, when it did not wait for a processor */
    uint64_t least_ns;
    uint64_t busy_at_ns; /* since when it has had work; 0: it has none */
    unsigned n_silent;   /* activations in a row that logged nothing */
    unsigned n_quick;    /* activations in a row of which none took a millisecond */
    bool has_answered;   /* this process has answered at least once */
};

void pacing_init(struct pacing *pacing, unsigned ahead_max, unsigned vouched);
/* A new process was started: forget what is known of the one before, but for distrust. */
void pacing_open(struct pacing *pacing);
/* Record what the process announced; 0: nothing. */
void pacing_announced(struct pacing *pacing, unsigned pipeline, unsigned concurrent);

/* How many lines the process may have, unread or at work; at least 1. */
unsigned pacing_depth(const struct pacing *pacing);
/* How many lines to give this worker before another one is woken: about 200 us of work; at least
 * 1. */
unsigned pacing_batch(const struct pacing *pacing);
/* Whether lines are written ahead of answers, and an activation takes so little time that one
 * worker keeps up with the proxy. */
bool pacing_is_light(const struct pacing *pacing);
/* Whether a process that has n_jobs is likely to be done with them within some 200 us, as work is
 * light and none of the last activations took long. Then it is not worth waking another worker for
 * one more. */
bool pacing_is_soon_done(const struct pacing *pacing, unsigned n_jobs);
/* Whether the process has worked on one activation for far longer than usual. now_ns: as
 * loop_clock_ns(). */
bool pacing_is_stalled(const struct pacing *pacing, uint64_t now_ns);
/* Whether the process gets a line only when it is known to wait for it (worker/give.h). */
bool pacing_takes_care(const struct pacing *pacing);

/* Measure work: pacing_began() when a line is written to an idle process, pacing_answered() when
 * answers come. n_answers: how many came in one read; more: the process has more lines; logged: log
 * bytes came, too. Returns the time per answer, nanoseconds. */
void pacing_began(struct pacing *pacing);
uint64_t pacing_answered(struct pacing *pacing, unsigned n_answers, bool more, bool logged);

/* The process logs or sends parts: it gets one line at a time. */
static inline void pacing_logged(struct pacing *pacing)
{
    pacing->n_silent = 0;
}

/* The process wrote an answer for which no job waited: distrust it. true: for the first time. false
 * also where answers have request ids, as it is harmless there. */
bool pacing_distrust(struct pacing *pacing);

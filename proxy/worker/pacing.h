#pragma once

/*
 * pacing - when a worker may be given lines, and how many.
 *
 * A worker that announced `pipeline`, or for which --pipeline was set, answers its lines in order,
 * so lines are written ahead of its answers: about a millisecond of work, enough to keep it busy
 * and little to lose when it dies. While it logs it gets one line at a time, so that each log line
 * comes before the sentinel of its activation.
 *
 * A worker that announced `concurrent` has up to that many lines at once. Request ids tell which
 * answer belongs to which line.
 *
 * A worker that announced nothing (and has no --pipeline) gets one line at a time, and only while
 * it waits for input (worker/give.h). So does a worker that has written an answer when it had no
 * line: it is distrusted, and its later processes are, too.
 */

#include <stdbool.h>
#include <stdint.h>

struct pacing {
    unsigned ahead_max; /* setting: most lines without an answer; 1: one line at a time */
    unsigned vouched;   /* setting --pipeline: used as `pipeline` if the process announces none */
    /* an answer came for which no job waited: `pipeline` is ignored from then on, for ever */
    bool distrusted;

    /* what the worker announced */
    unsigned pipeline;   /* lines it takes before it answers the first; 0: not known */
    unsigned concurrent; /* lines that it works on at once, with request ids; 0: not announced */

    /* what was measured */
    uint64_t work_ns; /* time per activation, smoothed; 0: this process has not answered yet */
    /* recent minimum of the time per activation, to leave out waits for a processor; 0: unknown */
    uint64_t least_ns;
    /* when the idle worker got work or, if later, when it last answered; 0: it is idle */
    uint64_t busy_at_ns;
    unsigned n_silent; /* activations in a row that logged nothing */
    unsigned n_quick;  /* activations in a row of which none took a millisecond */
};

/* Begin with a new process, with these two settings: forgets all about the previous process except
 * `distrusted`. The struct must be all zero before the first process. */
void pacing_open(struct pacing *pacing, unsigned ahead_max, unsigned vouched);
/* Record the two numbers from the ready line of the process; 0: not announced. */
void pacing_announced(struct pacing *pacing, unsigned pipeline, unsigned concurrent);

/* How many lines without an answer the process may have; at least 1. */
unsigned pacing_depth(const struct pacing *pacing);
/* How many lines to give this worker before another one is woken: about 200 us of work; at least
 * 1. */
unsigned pacing_batch(const struct pacing *pacing);
/* Whether lines are written ahead of answers, and an activation takes at most twice the time that
 * the proxy itself spends on it. */
bool pacing_is_light(const struct pacing *pacing);
/* Whether a process that has n_jobs is likely to be done with them within some 200 us: its work is
 * light, and none of its last activations took long. Then this process can take one more job: it is
 * not worth waking another worker for it. */
bool pacing_is_soon_done(const struct pacing *pacing, unsigned n_jobs);
/* Whether the process has worked on one activation for far longer than usual. now_ns: from
 * loop_clock_ns(). */
bool pacing_is_stalled(const struct pacing *pacing, uint64_t now_ns);
/* Whether a line may be written only when the process is seen to wait for input (worker/give.h).
 * That is so if the process is distrusted, or if it announced nothing and has no --pipeline. */
bool pacing_takes_care(const struct pacing *pacing);

/* Measure the work: call pacing_began() when a line is written to an idle process, and
 * pacing_answered() when answers come. n_answers: how many came in one read. more: the process has
 * more lines to answer. logged: log bytes came, too. Returns the time per answer in nanoseconds. */
void pacing_began(struct pacing *pacing);
uint64_t pacing_answered(struct pacing *pacing, unsigned n_answers, bool more, bool logged);

/* Call when the process sends a part of an answer. The part counts as log output: for a while the
 * process gets one line at a time. */
static inline void pacing_logged(struct pacing *pacing)
{
    pacing->n_silent = 0;
}

/* Distrust the process, since it wrote an answer for which no job waited. true: it was trusted
 * until now. false also if answers have request ids: such an answer is harmless then. */
bool pacing_distrust(struct pacing *pacing);

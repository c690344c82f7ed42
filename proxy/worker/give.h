#pragma once

/*
 * give - lines to a worker, and whether it waits for the next one; a part of worker.c.
 *
 * The line protocol has no ids: an answer belongs to the line that was read last. So one that has
 * spoken out of turn, or is new, gets its line in two parts. The pipe is made so narrow that it
 * holds one write. First comes the line without its end: when that was read the process is back at
 * its input, and all that it had to say stands in its pipes and is dropped. Then comes the end.
 * Nobody looks at the process for this, and it costs a wake-up.
 */

#include <stdbool.h>
#include <stdint.h>

struct worker;

/* When it was asked whether it is back at its input, though no line waits for it. */
struct question {
    uint64_t asked_at_us; /* 0: it was not */
    uint64_t read_at_us;  /* the byte that was written for this was read; 0: not yet */
    bool probed;          /* there is such a byte */
};

/* Write what is unsent, as far as it may be. false: the worker does not read any more. */
bool give_next(struct worker *w);

/* Tell a launcher that takes control lines which of its activations are cancelled, and which of
 * those that run side by side are to wait before they send more parts. false: once the pipe has
 * room. */
bool give_controls(struct worker *w);

/*
 * One activation runs in a process that announced nothing, and what it wrote leaves open which of
 * two descriptors has its answer, or looks like an answer and is none: find out whether it is back
 * at its input. Looks at it a few times, then puts the first byte of the next line into its pipe.
 * Returns when to call again, loop time in microseconds; UINT64_MAX: once the pipe has room.
 */
uint64_t give_question(struct worker *w);

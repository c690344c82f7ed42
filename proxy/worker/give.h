#pragma once

/*
 * give - write lines to a process, and find out whether it waits for one. A part of session.h.
 *
 * Without request ids, an answer belongs to the line that was read last. A process that announced
 * nothing, or has answered unasked, may write another answer at any time before its next read. So
 * it gets a line only when it is back at its input. All of its older output is in its pipes then,
 * and is dropped.
 *
 * A thread that blocks in a read of descriptor 0 can be seen in /proc (worker/stdin_probe.h).
 * Where none is seen, the line goes in two writes, into a pipe so narrow that it holds one write.
 * The first is the line without its end. Once that is read, the process is back at its input, and
 * the second write completes the line. This costs a wake-up.
 */

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct session;

/* Write unsent lines, as far as pacing and the pipe allow. The rest follows when the pipe has
 * room. */
void give_next(struct session *session);

/* Set what a prewarmed launcher must read first: which action to load. Taken over. */
void give_greeting(struct session *session, struct buf *line);
/* Write what is left of it. */
void give_greeting_rest(struct session *session);

/* Tell a launcher that takes control lines which of its activations are cancelled, and which must
 * pause before they send more parts. */
void give_controls(struct session *session);

/* Check an idle process every health_ms. true: a signal has stopped it. If it can be asked without
 * an activation, also ask whether it still reads: hear_is_stuck() has the result. */
bool give_health_check(struct session *session);

/*
 * Find out whether a process that announced nothing is back at its input, so that its answer is
 * complete. Does nothing unless it has one activation and has written something that may be the
 * answer (auto mode: which descriptor has it) or was meant as one.
 *
 * Looks at /proc a few times, then writes the first byte of the next line and waits until that is
 * read. Returns when to call again, loop time in microseconds; UINT64_MAX: no need.
 */
uint64_t give_question(struct session *session);

#pragma once

/*
 * give - write lines to a process, and find out whether it waits for one. A part of session.h.
 *
 * Without request ids, an answer belongs to the line that was read last. A process that announced
 * nothing, or has answered unasked, may write another answer at any time before its next read. So
 * it gets a line only when it is back at its input, waiting for that line. All of its older output
 * is in its pipes then, and is dropped.
 *
 * A thread that blocks in a read of descriptor 0 can be seen in /proc (worker/stdin_probe.h).
 * If no such thread is seen, the line goes in two writes, into a pipe that holds only one of them.
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

/* Set the greeting: the line that tells a prewarmed launcher which action to load, taken over. */
void give_greeting(struct session *session, struct buf *line);
/* Write what is left of the greeting, as far as the pipe has room. */
void give_greeting_rest(struct session *session);

/* Tell a launcher that takes control lines which of its activations are cancelled, and which must
 * pause before they send more parts. */
void give_controls(struct session *session);

/* Check an idle process every health_ms. true: a signal has stopped it. If it takes lines that are
 * no activations, also ask whether it still reads: hear_is_stuck() has the result. */
bool give_health_check(struct session *session);

/*
 * Find out whether a process that announced nothing is back at its input, so that its answer is
 * complete. Does nothing unless it has exactly one activation, and has written a line that is held
 * (auto mode: descriptor 3 may still carry the answer) or something that is no valid answer but was
 * probably meant as one.
 *
 * Looks at /proc a few times, then writes the first byte of the next line and waits until that is
 * read. Returns when to call again, loop time in microseconds; UINT64_MAX: no need.
 */
uint64_t give_question(struct session *session);

#pragma once

/*
 * give - write lines to a process, and find out whether it waits for one. A part of the session
 * (worker/session.h).
 *
 * Where lines have no request ids, an answer belongs to the line that the process read last. A
 * process that announced nothing, or wrote an answer when it had no line, may write another answer
 * at any time before its next read. Such a process gets a line only while it waits for one. By then
 * all of its older output is in its pipes, and is dropped.
 *
 * A thread that blocks in a read of descriptor 0 can be seen in /proc (worker/stdin_probe.h). If
 * no such thread is seen, the line is written in two parts, into a pipe that holds only one of
 * them. The first part, the prefix, is the line's first byte (window_prefix()). Once the process
 * has read the prefix, it waits for the rest, so the second part is written. This costs one more
 * wake-up of the process. If the pipe cannot be made so small, the line is written at once: there
 * is no way to tell whether the process waits.
 *
 * give_question() finds out whether a process that has an activation waits for its next line: if it
 * does, its answer is complete. There is no next line to split yet. So give_question() writes only
 * "{", the byte with which every line begins (window.sent_brace).
 */

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct session;

/* Write the lines of all jobs in the window that are not written yet, as far as the pipe has room;
 * the rest follows when it has. If pacing_takes_care(), wait until the process waits for input. */
void give_next(struct session *session);

/* Set the greeting: the line that tells a prewarmed launcher which action to load. The bytes of
 * `line` are moved out. */
void give_greeting(struct session *session, struct buf *line);
/* Write what is left of the greeting, as far as the pipe has room. */
void give_greeting_rest(struct session *session);

/* Tell a launcher that reads control lines which of its activations are cancelled, and which must
 * pause or resume sending parts of their answers. */
void give_controls(struct session *session);

/* Check an idle process, unless the last check is less than health_ms ago. true: a signal has
 * stopped the process. If the process accepts lines that are no activations, also ask it whether it
 * still reads: hear_is_stuck() tells the result. */
bool give_health_check(struct session *session);

/*
 * Find out whether a process that announced nothing waits for its next line, so that its answer is
 * complete. Does nothing unless the process has exactly one activation and has written one of two
 * things: an undecided line (ANSWERS_AUTO: the answer may still come on descriptor 3), or a text
 * that is no valid answer but was probably meant as one.
 *
 * Looks at /proc a few times, then writes the first byte of the next line and waits until the
 * process has read it. Writes no byte while the process has not read all of its own line. Returns
 * the loop time, in microseconds, at which to call again; UINT64_MAX: there is no such time.
 */
uint64_t give_question(struct session *session);

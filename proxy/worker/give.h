#pragma once

/*
 * give - lines to a process, and whether it waits for the next one. A part of session.h.
 *
 * The line protocol has no ids: an answer belongs to the line that was read last. So a process that
 * has spoken out of turn, or is new, gets its line in two parts. The pipe is made so narrow that it
 * holds one write. First comes the line without its end: once that is read the process is back at
 * its input, and all that it had to say stands in its pipes and is dropped. Then comes the end.
 * Nobody looks at the process for this, and it costs a wake-up.
 */

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct session;

/* Write what is unsent, as far as it may be. The rest follows once the pipe has room. */
void give_next(struct session *session);

/* What a launcher that waited for its action must hear before all else; taken over. */
void give_greeting(struct session *session, struct buf *line);
/* Write what is left of it. */
void give_greeting_rest(struct session *session);

/* Tell a launcher that takes control lines which of its activations are cancelled, and which of
 * those that run side by side are to wait before they send more parts. */
void give_controls(struct session *session);

/* Look at an idle process, each health_ms: whether it is stopped, and whether it still reads, where
 * it can be asked that without an activation: hear_is_stuck() tells. true: it is stopped. */
bool give_health_check(struct session *session);

/*
 * One activation runs in a process that announced nothing, and what it wrote leaves open which of
 * two descriptors has its answer, or looks like an answer and is none: find out whether it is back
 * at its input. Looks at it a few times, then puts the first byte of the next line into its pipe.
 * Does nothing for any other process. Returns when to call again, loop time in microseconds.
 */
uint64_t give_question(struct session *session);

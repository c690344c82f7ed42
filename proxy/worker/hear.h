#pragma once

/*
 * hear - read what a process writes (its ready line and its answers) and end its jobs, including
 * late ones and those of a dead process. A part of session.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "worker/job.h"
#include "worker/stdin_probe.h"

struct session;
struct spawned;

/* Take over the pipes of a process that has started. */
void hear_open(struct session *session, const struct spawned *spawned);
/* For a started process that reports no ready line: mark it ready if it waits for input. Returns
 * what was seen. */
enum stdin_probe_state hear_start(struct session *session);
/* Process the lines that were read: each answer ends its job; lines that no job waits for are
 * dropped. */
void hear(struct session *session);
/* Read from the pipes, then hear(). */
void hear_readable(struct session *session);
/* Resume reading if it was paused because parts of an answer were not taken, and now they are. */
void hear_resume(struct session *session);
/* End the running activation as malformed. what: describes what was written instead of an
 * answer. */
void hear_malformed(struct session *session, const char *what);

/* Call when the pipes of the process are at their ends, or will not be read again: read all that is
 * left, whole lines first, then an unfinished one. */
void hear_rest(struct session *session);
/*
 * The process still runs but must end. Jobs whose lines it has not read go back to the pool; those
 * that have begun end with this outcome.
 *
 * Returns true if it has read lines that it has not begun: then it must be killed at once, and the
 * jobs of these lines stay with it until it is dead, since it could still begin them.
 */
bool hear_no_more(struct session *session, enum job_outcome outcome);
/* The process is idle and gets no more lines: close its input. */
void hear_out(struct session *session);
/* The process is dead: take the answers that it has written, end with this outcome the jobs that
 * had begun, return the rest to the pool. No job is left then. crashed: it did not exit with
 * status 0, so a held line (channel_is_undecided()) is no answer. */
void hear_last_words(struct session *session, bool crashed, enum job_outcome outcome,
                     const char *reason);

/* End late jobs. true: the running one is late, so the process must end. */
bool hear_deadlines(struct session *session);
/* Like hear_deadlines(), but the process is being ended already: end the running job, too. */
void hear_deadlines_of_dying(struct session *session);
/* Ask whether the process still reads: within `ms` milliseconds it must read some of what is in its
 * pipe. If the pipe is empty and may_get_line is set, an empty line is written. */
void hear_ask(struct session *session, bool may_get_line, uint64_t ms);
/* Whether the process was asked by hear_ask() and has not read in time. */
bool hear_is_stuck(struct session *session);
/* Warn once if the process leaves its first line unread. */
void hear_warn_unread(struct session *session);
/* Loop time of the next check of deadlines, of whether the process reads, or of its health;
 * UINT64_MAX: no check is due. */
uint64_t hear_next_look_ms(const struct session *session);

#pragma once

/*
 * hear - what a process says, and what becomes of its jobs by it: answers, the ready line, and its
 * end. A part of session.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "worker/job.h"
#include "worker/stdin_probe.h"

struct session;
struct spawned;

/* Take over the pipes of a process that has started. */
void hear_open(struct session *session, const struct spawned *spawned);
/* One that reports nothing has started: it is ready if it waits for input. */
enum stdin_probe_state hear_start(struct session *session);
/* Cut what was read into lines: each answer ends its job. Lines that nobody waits for end here. */
void hear(struct session *session);
/* Read what is there, and hear it. */
void hear_readable(struct session *session);
/* Go on to read after parts were taken. */
void hear_resume(struct session *session);
/* The activation that runs ends without an answer; what: was written instead. */
void hear_malformed(struct session *session, const char *what);

/* Its pipes have ended, or will not be read any more: take in all that stands in them, whole lines
 * first, then what it left unfinished. */
void hear_rest(struct session *session);
/*
 * It is to end, and lives. What stands unread in its pipe goes back; what has begun ends with this
 * outcome. Returns whether it must be killed at once: it has read lines that it has not begun,
 * which nobody else may get before it is dead. They stay with it until then.
 */
bool hear_no_more(struct session *session, enum job_outcome outcome);
/* It has answered all that it had, and gets nothing more: close its input. */
void hear_out(struct session *session);
/* It is dead: all that it has answered counts, what it had begun ends with this outcome, the rest
 * goes back. No job is left then. */
void hear_last_words(struct session *session, enum job_outcome outcome, const char *reason);

/* End the jobs that are late. true: the one that runs is, and the process must end. */
bool hear_deadlines(struct session *session);
/* The same for jobs that wait for the death of their process. */
void hear_deadlines_of_dying(struct session *session);
/* Ask it whether it still reads, which it must show within ms: by what is unread, or by an empty
 * line, where it may get one now. */
void hear_ask(struct session *session, bool may_get_line, uint64_t ms);
/* It was asked whether it still reads, and has not read in time. */
bool hear_is_stuck(struct session *session);
/* Warn once of a process that leaves its first line unread. */
void hear_warn_unread(struct session *session);
/* When to look at deadlines again, loop time; UINT64_MAX: never. */
uint64_t hear_next_look_ms(const struct session *session);

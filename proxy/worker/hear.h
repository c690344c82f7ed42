#pragma once

/*
 * hear - read what a process writes (its ready line and its answers) and end its jobs, including
 * late ones and those of a dead process. Watch whether the process still reads. A part of the
 * session (worker/session.h).
 */

#include <stdbool.h>
#include <stdint.h>

#include "worker/job.h"
#include "worker/stdin_probe.h"

struct session;
struct spawned;

/* Take over the pipes of a process that has started. */
void hear_open(struct session *session, const struct spawned *spawned);
/* For a started process that reports no ready line: mark it ready if it waits for input or is
 * blocked in a poll. Returns what was seen in /proc. */
enum stdin_probe_state hear_start(struct session *session);
/* Process the lines that were read from the pipes. Each answer ends its job; an answer for which no
 * job waits is counted, then dropped or logged. */
void hear(struct session *session);
/* Read from the pipes, then process the lines by hear(). */
void hear_readable(struct session *session);
/* Reading pauses while too many parts of an answer wait to be taken by the code that made the job.
 * Resume reading if enough of them were taken. */
void hear_resume(struct session *session);
/* End the running activation as JOB_MALFORMED. what: describes what the process wrote instead of an
 * answer. */
void hear_malformed(struct session *session, const char *what);

/* Call when the pipes of the process are at their ends, or will not be read again: read and process
 * all output that is left, whole lines first, then an unfinished line. */
void hear_rest(struct session *session);
/*
 * Call when a process that still runs must end. The jobs whose lines it has not read go back to the
 * pool.
 *
 * false: the process has read only lines of jobs that it has begun. These jobs end with `outcome`,
 * and with `reason` unless that is "".
 *
 * true: the process may have read lines of jobs that it has not begun, and could still begin
 * them. So kill it at once. All jobs whose lines it has read stay with it until it is dead, and end
 * then. Only a late job (JOB_LATE, the oldest one) ends now.
 */
bool hear_dismiss(struct session *session, enum job_outcome outcome, const char *reason);
/* Close the input of an idle process, which gets no more lines. */
void hear_close_input(struct session *session);
/* Call when the process is dead. Takes the answers that it has written or put into its ring: their
 * jobs are done. Of the jobs left, those that had begun (window_n_begun()) end with `outcome` and
 * `reason`, and the rest returns to the pool. status: its wait status; if not 0, an undecided line
 * (worker/channel.h) is no answer. No job is left in the window. */
void hear_last_words(struct session *session, int status, enum job_outcome outcome,
                     const char *reason);

/* Ask whether the process still reads: within `ms` milliseconds it must read some of what is in its
 * pipe. If the pipe is empty and may_get_line is set, an empty line is written for it to read. */
void hear_ask(struct session *session, bool may_get_line, uint64_t ms);
/* Whether the process was asked by hear_ask() and has not read in time. */
bool hear_is_stuck(struct session *session);

/* End jobs whose deadline has passed. true: the running job is late, so the process must end. */
bool hear_deadlines(struct session *session);
/* Like hear_deadlines(), but for a process that is being ended already: a late job is ended here
 * even if it is the one that runs. */
void hear_deadlines_of_dying(struct session *session);
/* Log a warning, once for each process, if the process leaves its first line unread. */
void hear_warn_unread(struct session *session);
/* Loop time in milliseconds of the next check: of deadlines, of whether the process reads, or of
 * its health. UINT64_MAX: none is planned. */
uint64_t hear_next_look_ms(const struct session *session);

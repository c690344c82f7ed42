#pragma once

/*
 * hear - what a worker says, and what becomes of its jobs by it: the answers to the jobs that it
 * has, its ready line, and its end, which is an answer, too.
 *
 * A part of worker.c: it writes down facts and takes jobs out of the window; worker_step() decides.
 */

#include "worker/job.h"

struct worker;

/* Take in what was read. Lines that nobody waits for end in here. */
void hear(struct worker *w);
/* The activation that runs ends without an answer; what: was written instead. */
void hear_malformed(struct worker *w, const char *what);
/* Its pipes have ended, or will not be read any more: all that stands in them, whole lines first,
 * then what it left unfinished. */
void hear_rest(struct worker *w);
/*
 * It is to end, and lives. What stands unread in its pipe goes back; what has begun ends with this
 * outcome. Returns whether it must be killed at once: it has read lines that it has not begun,
 * which nobody else may get before it is dead. They stay with it until then.
 */
bool hear_no_more(struct worker *w, enum job_outcome outcome);
/* It is dead: all that it has answered counts, what it had begun ends, the rest goes back. No job
 * is left then. */
void hear_last_words(struct worker *w);
/* A job that was taken out of the window: log lines, then sentinels, then the answer, for the
 * platform stops reading logs soon after it. */
void hear_end_of(struct worker *w, struct job *job, enum job_outcome outcome);

#pragma once

/*
 * hear - what a worker says, and what becomes of its jobs by it: the answers to the jobs that it
 * has, its ready line, and its end, which is an answer, too.
 *
 * A part of worker.c: it writes down facts and takes jobs out of the flight; worker_step() decides.
 */

#include "worker/job.h"

struct worker;

/* Take in what was read. Lines that nobody waits for end in here. */
void hear(struct worker *w);
/* Its pipes have ended, or will be closed: all that stands in them, whole lines first, then what it
 * left unfinished. No job is left then. */
void hear_last_words(struct worker *w);
/* It will answer nothing more. What has begun ends with this outcome: for JOB_DIED what was read, for
 * any other the oldest alone. The others go back. */
void hear_no_more(struct worker *w, enum job_outcome outcome);
/* A job that was taken out of the flight: log lines, then sentinels, then the answer, for the
 * platform stops reading logs soon after it. */
void hear_end_of(struct worker *w, struct job *job, enum job_outcome outcome);

#pragma once

/*
 * argument - what the command invoke gives the action: JSON as a word, @FILE, or - for stdin.
 */

#include <stdint.h>

#include "worker/job.h"

struct err;

/* Make the line {"value":ARGUMENT} of it. word: NULL stands for {}. members: JSON members beside
 * it, each with a comma behind it; NULL: none. Reads files, blocking. Any JSON will do for a job
 * that takes any result.
 * job->line: the caller's. stop_fd: as for buf_read_all(). 0; -1: err filled, ERR_REQUEST, or
 * ERR_SYSTEM when it was stopped. */
int argument_read(struct job *job, const char *word, const char *members, uint64_t bytes_max,
                  int stop_fd, struct err *err);

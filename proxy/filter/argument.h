#pragma once

/*
 * argument - read an activation's argument from the command line: JSON itself, @FILE (read that
 * file), or - (read stdin).
 */

#include <stdint.h>

#include "worker/job.h"

struct err;

/* Set the job's line to {"value":ARGUMENT}; the caller frees it. word: JSON, @FILE, or - for stdin;
 * NULL means {}. members: JSON members to put before "value", each followed by a comma; NULL: none.
 * Blocks while it reads. If job->takes_any_result is set, the argument may be any JSON value, else
 * an object or array. stop_fd: reading stops once this descriptor is readable; -1: none. Returns 0;
 * or -1 with err: ERR_REQUEST, or ERR_SYSTEM if reading was stopped. The text of err does not
 * name the command. */
int argument_read(struct job *job, const char *word, const char *members, uint64_t bytes_max,
                  int stop_fd, struct err *err);

#pragma once

/*
 * argument - read an activation's argument from the command line: JSON itself, @FILE (read that
 * file), or - (read stdin).
 */

#include <stdint.h>

#include "worker/job.h"

struct err;

/* Set the job's line to {"value":ARGUMENT}; the caller frees the line. word: the ARGUMENT as JSON,
 * @FILE, or - for stdin; NULL means {}. members: JSON members to put before "value", each followed
 * by a comma; NULL: none. The ARGUMENT must be an object or array; with job->takes_any_result, it
 * may be any JSON value. Blocks while it reads FILE or stdin. stop_fd: reading fails once this
 * descriptor is readable; -1: none. Returns 0; or -1 with err: ERR_SYSTEM if stop_fd ended the
 * reading, else ERR_REQUEST. The caller puts the name of its command before the text of err. */
int argument_read(struct job *job, const char *word, const char *members, uint64_t bytes_max,
                  int stop_fd, struct err *err);

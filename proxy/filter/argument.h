#pragma once

/*
 * argument - the argument of the command `invoke`: JSON as a word, @FILE, or - for stdin.
 */

#include <stdint.h>

#include "worker/job.h"

struct err;

/* Make the job's line, {"value":ARGUMENT}; the caller frees it. word: JSON, @FILE, or - for stdin;
 * NULL means {}. members: JSON members to add, each followed by a comma; NULL: none. Reads files,
 * blocking. The argument may be any JSON if the job takes any result. stop_fd: as for
 * buf_read_all(). 0; -1: err filled, ERR_REQUEST, or ERR_SYSTEM if it was stopped. */
int argument_read(struct job *job, const char *word, const char *members, uint64_t bytes_max,
                  int stop_fd, struct err *err);

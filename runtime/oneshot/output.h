#pragma once

/*
 * output - split what a program of the old contract (oneshot.c) prints. The last line is the result
 * if it is a JSON object or array; all else is log.
 *
 * A line is held back only while it may be the result, so that the log of a killed program shows
 * how far the program came.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Must be zeroed at the start, except for log_fd. */
struct output {
    int log_fd;      /* borrowed */
    struct buf held; /* the last line so far, if it may be the result */
    size_t n_told;   /* the first bytes of `held`, which are in the log already */
    bool mid_line;   /* the log ends within a line, whose rest must go there, too */
    bool too_long;   /* the last line so far was longer than the bound, and went to the log */
};

enum output_result {
    OUTPUT_RESULT,   /* *text is the result, valid until output_done() */
    OUTPUT_NONE,     /* there is no result: the last line is in the log, too */
    OUTPUT_TOO_LONG, /* the last line is longer than 64 MB */
};

/* output_room() returns where to write up to n bytes that the program prints; output_added() takes
 * the n bytes that were written there. */
char *output_room(struct output *output, size_t n);
void output_added(struct output *output, size_t n);
/* Write the held line into the log, too, because the program may be killed soon. The line may still
 * become the result. */
void output_tell(struct output *output);
/* Call after the program has ended, to get the result. */
enum output_result output_result(struct output *output, const char **text, size_t *n);
void output_done(struct output *output);

#pragma once

/*
 * output - what a program of the old contract prints: all is log but the last line, which is the
 * result if it is a JSON object or array.
 *
 * A line is held back only while it may be the result, so that the log of a program that is killed
 * ends where the program did.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Zeroed but for log_fd at the start. */
struct output {
    int log_fd;      /* borrowed */
    struct buf held; /* the last line so far, if it may be the result */
    size_t n_told;   /* of it, bytes that are in the log already */
    bool mid_line;   /* the log got the start of a line that cannot be the result */
    bool too_long;   /* the last line passed the bound and went to the log */
};

enum output_result {
    OUTPUT_RESULT,   /* text is it, valid until output_done() */
    OUTPUT_NONE,     /* the last line was log like the others */
    OUTPUT_TOO_LONG, /* it passed 64 MB */
};

/* Where the next bytes of the program go, and that n of them came. */
char *output_room(struct output *output, size_t n);
void output_added(struct output *output, size_t n);
/* The program may be killed soon: write what is held into the log, too. It may still be the
 * result. */
void output_tell(struct output *output);
/* The program has ended. */
enum output_result output_result(struct output *output, const char **text, size_t *n);
void output_done(struct output *output);

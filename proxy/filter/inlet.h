#pragma once

/*
 * inlet - the source of lines: stdin, or a named pipe that is reopened for its next writer.
 *
 * It is read only while the owner wants more, so back-pressure reaches the writer.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/line.h"
#include "base/loop.h"
#include "base/stream.h"

struct inlet {
    struct loop *loop; /* borrowed */
    const char *path;  /* borrowed; NULL: stdin */
    struct stream stream;
    struct loop_timer again; /* reads, once per turn, a stream that cannot be watched */
    struct line line;
    uint64_t n_read;        /* bytes, since inlet_open() */
    uint64_t opened_at;     /* n_read when the stream was opened */
    bool fresh;             /* the stream was not found empty yet: its end may go unreported */
    bool wanted;            /* the owner has room */
    bool at_end;            /* the writer has left; the held bytes are its last */
    bool ended;             /* the source is closed: no more input will follow */
    struct err err;         /* why it ended; ERR_NONE: the input was at its end */
    struct loop_post *told; /* borrowed */
};

/* told: posted when bytes or the end arrive. line_max_bytes: the longest line. 0, or -1. */
int inlet_open(struct inlet *inlet, struct loop *loop, const char *path, size_t line_max_bytes,
               struct loop_post *told, struct err *err);
void inlet_init(struct inlet *inlet);
/* Close the stream, and drop lines that were not handed out. */
void inlet_close(struct inlet *inlet);

/* Read on, or pause. Reading is paused at first. */
void inlet_want(struct inlet *inlet, bool wanted);
/* The next line, as from line_next(); a last line without a newline counts. end_at: the offset
 * after it, or after the part received of a line that is too long. */
enum line_result inlet_next(struct inlet *inlet, const char **text, size_t *n, uint64_t *end_at);
/* Offset after everything written to us so far, as far as the kernel tells. */
uint64_t inlet_seen(const struct inlet *inlet);

#pragma once

/*
 * inlet - reads input lines from stdin, or from a named pipe that is reopened for its next writer.
 *
 * It reads only while the owner wants more lines. Otherwise the pipe fills, and the writer must
 * wait.
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
    /* reads the stream once per turn of the loop while `fresh` is set, or if the loop cannot watch
     * the stream, as with a regular file */
    struct loop_timer again;
    struct line line;
    uint64_t n_read;    /* bytes read since inlet_open() */
    uint64_t opened_at; /* value of n_read when the stream was last opened */
    /* No read has found the stream empty since it was opened. Until one has, epoll cannot be relied
     * on to report that the writer has left. */
    bool fresh;
    bool wanted;    /* the owner wants more lines: set by inlet_want() */
    bool at_end;    /* the writer has left, or reading failed: only the bytes in `line` remain */
    bool ended;     /* the source is closed: no more input will follow */
    struct err err; /* why reading failed; ERR_NONE: it did not fail */
    struct loop_post *told; /* borrowed; posted when bytes or the end of the input have come */
};

/* Open the named pipe `path`; NULL: use stdin. line_max_bytes: the longest line. told: borrowed
 * work, posted when bytes or the end of the input have come. Returns 0; or -1 with err. */
int inlet_open(struct inlet *inlet, struct loop *loop, const char *path, size_t line_max_bytes,
               struct loop_post *told, struct err *err);
void inlet_init(struct inlet *inlet);
/* Close the stream, and drop lines that inlet_next() has not handed out. */
void inlet_close(struct inlet *inlet);

/* Start or pause reading, which is paused at first. */
void inlet_want(struct inlet *inlet, bool wanted);
/* Hand out the next line, also a last one that does not end with a newline; see line_next() in
 * base/line.h. *end_at: the input offset at which the line ends. For a line that is too long, it is
 * where the bytes read so far end. */
enum line_result inlet_next(struct inlet *inlet, const char **text, size_t *n, uint64_t *end_at);
/* The input offset after all bytes that were written to us so far. It includes the bytes that we
 * have not read yet, whose number the kernel tells. */
uint64_t inlet_seen(const struct inlet *inlet);

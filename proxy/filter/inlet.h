#pragma once

/*
 * inlet - reads input lines from stdin, or from a named pipe that is reopened for its next writer.
 *
 * It reads only while the owner wants more lines. Meanwhile the pipe fills, and the writer waits.
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
    /* reads the stream once per turn of the loop while it cannot be watched, or is `fresh` */
    struct loop_timer again;
    struct line line;
    uint64_t n_read;    /* bytes read since inlet_open() */
    uint64_t opened_at; /* value of n_read when the stream was last opened */
    /* since the stream was opened, no read has found it empty; until one has, the kernel may not
     * report its end */
    bool fresh;
    bool wanted;            /* inlet_want() was called: the owner has room for lines */
    bool at_end;            /* the writer has left, or reading failed; `line` has the last bytes */
    bool ended;             /* the source is closed: no more input will follow */
    struct err err;         /* why reading failed; ERR_NONE: it did not fail */
    struct loop_post *told; /* borrowed; posted to tell the owner, see inlet_open() */
};

/* path NULL: stdin. told: posted when bytes or the end of input have come. line_max_bytes: the
 * longest line. Returns 0; or -1 with err. */
int inlet_open(struct inlet *inlet, struct loop *loop, const char *path, size_t line_max_bytes,
               struct loop_post *told, struct err *err);
void inlet_init(struct inlet *inlet);
/* Close the stream, and drop lines that inlet_next() has not handed out. */
void inlet_close(struct inlet *inlet);

/* Start or pause reading, which is paused at first. */
void inlet_want(struct inlet *inlet, bool wanted);
/* Hand out the next line as line_next() does, and also a last line without a newline. *end_at:
 * input offset of the end of the line or, for a line that is too long, of the part received. */
enum line_result inlet_next(struct inlet *inlet, const char **text, size_t *n, uint64_t *end_at);
/* Input offset after everything written to us so far, including what the kernel says is still
 * unread. */
uint64_t inlet_seen(const struct inlet *inlet);

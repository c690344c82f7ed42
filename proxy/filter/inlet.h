#pragma once

/*
 * inlet - where lines come from: stdin, or a named pipe that is opened again for its next writer.
 *
 * It is read only while its owner wants more, so what the owner cannot hold stays with the writer.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/line.h"
#include "base/loop.h"
#include "filter/stream.h"

struct inlet {
    struct loop *loop; /* borrowed */
    const char *path;  /* borrowed; NULL: stdin */
    struct stream stream;
    struct loop_timer again; /* what is not watched is read once in a turn */
    struct line line;
    uint64_t n_read;        /* bytes, since inlet_open() */
    uint64_t opened_at;     /* of these, by the time its stream was opened */
    bool fresh;             /* the stream was never seen empty: nothing may tell of its end */
    bool wanted;            /* the owner has room */
    bool at_end;            /* the writer has left; what is held is its last */
    bool ended;             /* ... and nothing will follow */
    struct err err;         /* why, unless that was simply the end */
    struct loop_post *told; /* borrowed */
};

/* told: posted when bytes came, or the end. line_max_bytes: longest line. 0, or -1. */
int inlet_open(struct inlet *inlet, struct loop *loop, const char *path, size_t line_max_bytes,
               struct loop_post *told, struct err *err);
void inlet_init(struct inlet *inlet);
/* What was not handed out is dropped. */
void inlet_close(struct inlet *inlet);

/* Whether to read on. Not wanted at first. */
void inlet_want(struct inlet *inlet, bool wanted);
/* The next line, as line_next() gives it; a last one without newline is a line, too. end_at: offset
 * behind it, or behind what has come of one that is too long. */
enum line_result inlet_next(struct inlet *inlet, const char **text, size_t *n, uint64_t *end_at);
/* Offset behind all that has been written to us by now, as far as can be seen. */
uint64_t inlet_seen(const struct inlet *inlet);

#pragma once

/*
 * output - non-blocking writes to one of our own streams.
 *
 * Bytes that are added in one turn of the loop leave in one write at its end. When a reader stalls
 * (a log collector, a stopped terminal), the stream becomes full and its users stop reading from
 * the action, so memory stays bounded and back-pressure reaches the writer. The proxy's own lines
 * are added even when the stream is full; beyond a larger bound they are dropped and counted.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/stream.h"

#define OUTPUT_FULL_BYTES (1u << 20) /* pending bytes at which users must pause; a guessed number */
#define OUTPUT_OWN_BYTES                                                                           \
    (16u << 20) /* pending bytes at which our own lines are dropped: 400,000 sentinels */

/* A user waiting for room; embed it and pass it to output_wait(). */
struct output_waiter {
    struct list node;
    void (*on_room)(struct output_waiter *waiter);
};

/* An observer of the bytes that do not come from the proxy itself; see output->tap. */
struct output_tap {
    /* owner: as in output_add(). */
    void (*on_bytes)(struct output_tap *tap, const void *owner, const char *bytes, size_t n);
};

/* Rewrite bytes that do not come from the proxy itself: append bytes[0 .. n) to out in the form to
 * be shown. */
typedef void output_rewrite_fn(void *owner, const char *bytes, size_t n, struct buf *out);

struct output {
    struct loop *loop; /* borrowed */
    struct stream stream;
    bool broken;            /* there is no reader any more: drop bytes from now on */
    bool unmarked;          /* set by the owner: write no sentinels to it */
    struct output_tap *tap; /* set by the owner, borrowed; NULL: no observer */
    /* Set by the owner, borrowed: receives all bytes instead of the stream; owner is NULL for the
     * proxy's own. NULL: write them to the stream. */
    struct output_tap *instead;
    output_rewrite_fn *rewrite; /* set by the owner; NULL: bytes are unchanged */
    void *rewrite_owner;
    struct buf pending;
    uint64_t n_written; /* bytes, since output_init() */
    uint64_t n_dropped; /* bytes dropped since output_init(): no room, disk space or reader */
    struct loop_post flush;
    struct list waiters;
    const void *line_owner; /* owner of the unfinished line; NULL: at the start of a line */
};

/* fd: one of our own streams; its shared flags are never changed. */
void output_init(struct output *output, struct loop *loop, int fd);
/* At exit: write pending bytes, blocking for up to wait_ms. */
void output_done(struct output *output, int wait_ms);

/* Add bytes, to be written at the end of the turn. owner: whose they are, for output_line_start();
 * NULL: the proxy, which adds whole lines. */
void output_add(struct output *output, const void *owner, const char *bytes, size_t n);
/* If the stream is inside a line of another owner, end that line. owner: NULL ends any line. */
void output_line_start(struct output *output, const void *owner);
void output_flush(struct output *output);

static inline bool output_is_full(const struct output *output)
{
    return buf_len(&output->pending) >= OUTPUT_FULL_BYTES;
}

/* Call waiter->on_room once, from the loop, when there is room again. */
void output_wait(struct output *output, struct output_waiter *waiter);

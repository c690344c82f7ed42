#pragma once

/*
 * output - bytes to one of our own streams, without ever blocking the loop.
 *
 * What is added in one turn leaves in one write at output_flush(). A reader that stalls (a log
 * collector, a stopped terminal) makes the output stream full: its users stop reading from the
 * action until there is room, so memory stays bounded and the pressure reaches the one who writes
 * too much. Lines of the proxy's own come with requests, whether there is room or not: beyond a
 * larger bound they are dropped, and counted.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/loop.h"

#define OUTPUT_FULL_BYTES (1u << 20) /* held at most before users must pause; a guess */
#define OUTPUT_OWN_BYTES                                                                           \
    (16u << 20) /* ... before lines of our own are dropped: 400,000 sentinels */

/* Somebody who waits for room; embed and give to output_wait(). */
struct output_waiter {
    struct list node;
    void (*on_room)(struct output_waiter *waiter);
};

/* Somebody who reads along what others than the proxy write; see output->tap. */
struct output_tap {
    /* owner: as in output_add(). */
    void (*on_bytes)(struct output_tap *tap, const void *owner, const char *bytes, size_t n);
};

/* Changes what others than the proxy write: appends bytes[0 .. n) to out as they are to appear. */
typedef void output_rewrite_fn(void *owner, const char *bytes, size_t n, struct buf *out);

struct output {
    struct loop *loop;      /* borrowed */
    int fd;                 /* borrowed: 1 or 2; or our own reopened descriptor inside `watch` */
    bool can_block;         /* neither a file nor reopened: written to only after poll() */
    bool broken;            /* the reader is gone: bytes are dropped from here on */
    bool unmarked;          /* set by the owner: nobody looks for the ends of activations in it */
    struct output_tap *tap; /* set by the owner, borrowed; NULL: nobody reads along */
    /* Set by the owner, borrowed: takes all bytes in the stream's place, the proxy's own with owner
     * NULL. NULL: they go to the stream. */
    struct output_tap *instead;
    output_rewrite_fn *rewrite; /* set by the owner; NULL: bytes pass as they are */
    void *rewrite_owner;
    struct buf pending;
    uint64_t n_written;      /* bytes, since output_init() */
    uint64_t n_dropped;      /* bytes, likewise: no room, no disk, or no reader any more */
    struct loop_watch watch; /* open when the stream was reopened non-blocking */
    struct loop_timer retry; /* where there is nothing to watch */
    struct loop_post flush;
    struct list waiters;
    const void *line_owner; /* who left a line unfinished; NULL: we are at the start of a line */
};

/* fd: one of our own streams; it is never made non-blocking for those who share it. */
void output_init(struct output *output, struct loop *loop, int fd);
/* Tries for up to wait_ms to get rid of what is pending, blocking; for the end of the program. */
void output_done(struct output *output, int wait_ms);

/* Add bytes; owner: who writes, for output_line_start(); NULL: the proxy, whole lines. Written at
 * the end of the turn. */
void output_add(struct output *output, const void *owner, const char *bytes, size_t n);
/* End a line that somebody left unfinished, unless it is owner's own. NULL ends anybody's. */
void output_line_start(struct output *output, const void *owner);
void output_flush(struct output *output);

static inline bool output_is_full(const struct output *output)
{
    return buf_len(&output->pending) >= OUTPUT_FULL_BYTES;
}

/* Call waiter->on_room once, from the loop, when there is room again. */
void output_wait(struct output *output, struct output_waiter *waiter);

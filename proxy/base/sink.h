#pragma once

/*
 * sink - bytes to one of our own streams, without ever blocking the loop.
 *
 * What is added in one turn leaves in one write at sink_flush(). A reader that stalls (a log
 * collector, a stopped terminal) makes the sink full: its users stop reading from the action until
 * there is room, so memory stays bounded and the pressure reaches the one who writes too much.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/loop.h"

#define SINK_FULL_BYTES (1u << 20) /* held at most before users must pause; a guess */

/* Somebody who waits for room; embed and give to sink_wait(). */
struct sink_waiter {
    struct list node;
    void (*on_room)(struct sink_waiter *waiter);
};

struct sink {
    struct loop *loop; /* borrowed */
    int fd;            /* borrowed: 1 or 2; or our own reopened descriptor inside `watch` */
    bool can_block;    /* neither a file nor reopened: written to only after poll() */
    bool broken;       /* the reader is gone: bytes are dropped from here on */
    bool unmarked;     /* set by the owner: nobody looks for the ends of activations in it */
    struct buf pending;
    uint64_t n_written;      /* bytes, since sink_init() */
    struct loop_watch watch; /* open when the stream was reopened non-blocking */
    struct loop_timer retry; /* where there is nothing to watch */
    struct loop_post flush;
    struct list waiters;
    const void *line_owner; /* who left a line unfinished; NULL: we are at the start of a line */
};

/* fd: one of our own streams; it is never made non-blocking for those who share it. */
void sink_init(struct sink *sink, struct loop *loop, int fd);
/* Tries for up to wait_ms to get rid of what is pending, blocking; for the end of the program. */
void sink_done(struct sink *sink, int wait_ms);

/* Add bytes; owner: who writes, for sink_line_start(). Written at the end of the turn. */
void sink_add(struct sink *sink, const void *owner, const char *bytes, size_t n);
/* End a line that somebody left unfinished, unless it is owner's own. NULL ends anybody's. */
void sink_line_start(struct sink *sink, const void *owner);
void sink_flush(struct sink *sink);

static inline bool sink_is_full(const struct sink *sink)
{
    return buf_len(&sink->pending) >= SINK_FULL_BYTES;
}

/* Call waiter->on_room once, from the loop, when there is room again. */
void sink_wait(struct sink *sink, struct sink_waiter *waiter);

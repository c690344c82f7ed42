#pragma once

/*
 * output - non-blocking writes to our stdout or stderr.
 *
 * Bytes added in one turn of the loop are written together at the end of the turn. When the reader
 * of stdout or stderr stalls (a log collector, a stopped terminal), the output becomes full, and
 * the modules that add to it stop reading from the action. So memory stays bounded, and the action
 * has to wait. The proxy's own bytes, such as sentinels, are added even when the output is full;
 * beyond a larger bound they are dropped and counted.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/stream.h"

#define OUTPUT_FULL_BYTES (1u << 20) /* with this many bytes pending callers must pause; a guess */
/* With this many bytes pending the proxy's own are dropped: room for 400,000 sentinels. */
#define OUTPUT_OWN_BYTES (16u << 20)

/* A module that waits for room; embed this struct and pass it to output_wait(). */
struct output_waiter {
    struct list node;
    void (*on_room)(struct output_waiter *waiter);
};

/* What output->tap or output->instead points to: it is called with the bytes of output_add(). */
struct output_tap {
    /* owner: as given to output_add(). */
    void (*on_bytes)(struct output_tap *tap, const void *owner, const char *bytes, size_t n);
};

/* Change bytes before they are written: append to out what to write for bytes[0 .. n). owner:
 * output->rewrite_owner. Not called for the proxy's own bytes. */
typedef void output_rewrite_fn(void *owner, const char *bytes, size_t n, struct buf *out);

struct output {
    struct loop *loop; /* borrowed */
    struct stream stream;
    bool broken;   /* the stream has no reader or cannot be used: drop bytes from now on */
    bool unmarked; /* set by the owner: write no sentinels to this output */
    /* Set by the owner, borrowed: sees every byte except those that the proxy adds. NULL: none. */
    struct output_tap *tap;
    /* Set by the owner, borrowed: gets all bytes instead of the stream, the proxy's own with owner
     * NULL. NULL: write them to the stream. */
    struct output_tap *instead;
    output_rewrite_fn *rewrite; /* set by the owner; NULL: write bytes unchanged */
    void *rewrite_owner;
    struct buf pending; /* bytes added and not yet written */
    uint64_t n_written; /* bytes written since output_init() */
    uint64_t n_dropped; /* bytes dropped since then: no room, disk space or reader */
    struct loop_post flush;
    struct list waiters;
    const void *line_owner; /* the owner whose line is unfinished; NULL: at the start of a line */
};

/* fd: our stdout or stderr; its flags, shared with other processes, are never changed. */
void output_init(struct output *output, struct loop *loop, int fd);
/* Call at exit: writes pending bytes, blocking for up to wait_ms, and closes the stream. */
void output_done(struct output *output, int wait_ms);

/* Add bytes, which are written at the end of the turn. owner: any pointer that tells one writer
 * from another, for output_line_start(); NULL: the proxy, which adds whole lines. */
void output_add(struct output *output, const void *owner, const char *bytes, size_t n);
/* If the last bytes added are an unfinished line of another owner, end that line. owner: NULL ends
 * any unfinished line. */
void output_line_start(struct output *output, const void *owner);
/* Write what is pending, as much as fits, and tell waiters if there is room again. */
void output_flush(struct output *output);

static inline bool output_is_full(const struct output *output)
{
    return buf_len(&output->pending) >= OUTPUT_FULL_BYTES;
}

/* Call waiter->on_room once, from the loop, as soon as there is room again. */
void output_wait(struct output *output, struct output_waiter *waiter);

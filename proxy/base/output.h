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

/* With this many bytes pending the output is full, and callers must pause. The size is a guess. */
#define OUTPUT_FULL_BYTES (1u << 20)
/* With this many bytes pending, bytes that the proxy itself adds are dropped. 400,000 sentinels
 * fit. */
#define OUTPUT_OWN_BYTES (16u << 20)

/* A module that waits until the output is no longer full. Embed this struct and pass it to
 * output_wait(). */
struct output_waiter {
    struct list node;
    void (*on_room)(struct output_waiter *waiter);
};

/* Gets bytes that are given to output_add(). output->tap and output->instead point to such a
 * struct. */
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
    bool unmarked; /* setting: write no sentinels to this output */
    /* Setting, borrowed: gets a copy of all bytes except those that the proxy itself adds. NULL:
     * none. */
    struct output_tap *tap;
    /* Setting, borrowed: gets all bytes, and the stream gets none. The proxy's own bytes come with
     * owner NULL. instead is NULL: write all bytes to the stream. */
    struct output_tap *instead;
    output_rewrite_fn *rewrite; /* setting; NULL: write bytes unchanged */
    void *rewrite_owner;
    struct buf pending; /* bytes added and not yet written */
    uint64_t n_written; /* bytes written since output_init() */
    /* Bytes dropped since output_init(): too many were pending, the disk was full, or the reader
     * has left. */
    uint64_t n_dropped;
    struct loop_post flush;
    struct list waiters;
    const void *line_owner; /* writer (see output_add()) of an unfinished last line; NULL: none */
};

/* fd: our stdout or stderr; its flags, shared with other processes, are never changed. */
void output_init(struct output *output, struct loop *loop, int fd);
/* Call at exit: writes pending bytes, blocking for up to wait_ms, and closes the stream. */
void output_done(struct output *output, int wait_ms);

/* Add bytes, which are written at the end of the loop's turn. owner: any pointer that tells one
 * writer from another, for output_line_start(); NULL: the proxy, which adds whole lines. */
void output_add(struct output *output, const void *owner, const char *bytes, size_t n);
/* If the last bytes added are an unfinished line of another owner, end that line. owner: NULL ends
 * any unfinished line. */
void output_line_start(struct output *output, const void *owner);
/* Write as many pending bytes as the stream takes. If the output is then no longer full, call
 * on_room() of the waiters. */
void output_flush(struct output *output);

static inline bool output_is_full(const struct output *output)
{
    return buf_len(&output->pending) >= OUTPUT_FULL_BYTES;
}

/* If the output is full, have waiter->on_room() called once, from the loop, as soon as it is no
 * longer full. Returns whether it is full. May be called again while the waiter waits. */
bool output_wait(struct output *output, struct output_waiter *waiter);

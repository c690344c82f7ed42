#pragma once

/*
 * forwarder - forward one log stream of a worker to one of our own streams, line by line, and
 * disarm sentinels that the action wrote itself.
 *
 * Whole lines are forwarded as they come. A line that an activation leaves unfinished is ended when
 * the activation ends, so that the sentinel, which marks this end, stands on a line of its own. A
 * sentinel in the action's output is changed to lower case, since the platform would stop reading
 * there.
 * Source: openwhisk-contract 1.7.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/output.h"
#include "base/sentinel.h"

struct forwarder {
    struct output *output;   /* borrowed */
    struct loop_watch watch; /* the worker's pipe; if closed, bytes come only by forwarder_feed() */
    struct buf partial;      /* what came after the last newline */
    struct output_waiter waiter;
    bool ended;       /* the stream is at its end */
    uint64_t n_bytes; /* bytes forwarded in this process's life */
};

void forwarder_init(struct forwarder *forwarder, struct output *output);
/* Take over fd and forward what comes on it. */
void forwarder_open(struct forwarder *forwarder, struct loop *loop, int fd);
/* Like forwarder_open(), but for a pipe that is watched already. */
void forwarder_take_over(struct forwarder *forwarder, struct loop_watch *watch);
/* Forward what the pipe holds now, end an unfinished line, close the pipe. */
void forwarder_close(struct forwarder *forwarder);

/* Forward n bytes that were read elsewhere (the answer channel). */
void forwarder_feed(struct forwarder *forwarder, const char *bytes, size_t n);

/* At the end of an activation: forward what the pipe holds at this moment, end an unfinished line.
 * Reads no more than that, however fast the action goes on writing. */
void forwarder_settle(struct forwarder *forwarder);
/* Like forwarder_settle(), but keep an unfinished line: it belongs to the next activation, which
 * the process has been given already. */
void forwarder_settle_lines(struct forwarder *forwarder);
/* Like forwarder_settle(), but for a pipe that is known to be empty. */
void forwarder_end_line(struct forwarder *forwarder);
/* Whether there is a pipe that is not at its end. */
bool forwarder_is_open(const struct forwarder *forwarder);

/* Mark the end of an activation: write one sentinel to each stream, on a line of its own. Streams
 * that are `unmarked` get none. */
void forwarder_write_sentinels(struct output *out, struct output *err);

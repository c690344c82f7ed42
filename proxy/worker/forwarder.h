#pragma once

/*
 * forwarder - forward one log stream of a worker to one of our own streams, line by line, and keep
 * the platform's end marks genuine.
 *
 * Whole lines are forwarded as they come. A line that an activation leaves unfinished is ended when
 * the activation ends, so that the sentinel stands on a line of its own. What looks like a sentinel
 * in the action's output is altered (lower case), since the platform would end its reading there.
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
    struct loop_watch watch; /* the worker's pipe; closed: nothing to read, lines come by feed */
    struct buf partial;      /* what came after the last newline */
    struct output_waiter waiter;
    bool ended;       /* the stream is at its end */
    uint64_t n_bytes; /* forwarded since forwarder_open() */
};

void forwarder_init(struct forwarder *forwarder, struct output *output);
/* Take over fd and forward what comes on it. */
void forwarder_open(struct forwarder *forwarder, struct loop *loop, int fd);
/* The same for a pipe that is watched already. */
void forwarder_take_over(struct forwarder *forwarder, struct loop_watch *watch);
/* Forward what the pipe holds now, end an unfinished line, close the pipe. */
void forwarder_close(struct forwarder *forwarder);

/* Forward n bytes that were read elsewhere (the answer channel). */
void forwarder_feed(struct forwarder *forwarder, const char *bytes, size_t n);

/* At the end of an activation: forward what the pipe holds at this moment, end an unfinished line.
 * Bounded by the size of the pipe, however fast the action goes on writing. */
void forwarder_settle(struct forwarder *forwarder);
/* The same, but the start of a line stays here: a worker with lines ahead writes the next one's. */
void forwarder_settle_lines(struct forwarder *forwarder);
/* The same where the pipe is known to be empty. */
void forwarder_end_line(struct forwarder *forwarder);
/* It has a pipe that is not at its end. */
bool forwarder_is_open(const struct forwarder *forwarder);

/* Our end mark of an activation: one sentinel on each stream, on lines of their own; none on a
 * stream that is `unmarked`. */
void forwarder_write_sentinels(struct output *out, struct output *err);

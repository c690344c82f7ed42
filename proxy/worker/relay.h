#pragma once

/*
 * relay - forward one log stream of a worker to one of our own streams, line by line, and keep the
 * platform's end marks genuine.
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
#include "base/sentinel.h"
#include "base/sink.h"

struct relay {
    struct sink *sink;       /* borrowed */
    struct loop_watch watch; /* the worker's pipe; closed: nothing to read, lines come by feed */
    struct buf partial;      /* what came after the last newline */
    struct sink_waiter waiter;
    bool ended;       /* the stream is at its end */
    uint64_t n_bytes; /* forwarded since relay_open() */
};

void relay_init(struct relay *relay, struct sink *sink);
/* Take over fd and forward what comes on it. */
void relay_open(struct relay *relay, struct loop *loop, int fd);
/* The same for a pipe that is watched already. */
void relay_take_over(struct relay *relay, struct loop_watch *watch);
/* Forward what the pipe holds now, end an unfinished line, close the pipe. */
void relay_close(struct relay *relay);

/* Forward n bytes that were read elsewhere (the answer channel). */
void relay_feed(struct relay *relay, const char *bytes, size_t n);

/* At the end of an activation: forward what the pipe holds at this moment, end an unfinished line.
 * Bounded by the size of the pipe, however fast the action goes on writing. */
void relay_settle(struct relay *relay);
/* The same, but the start of a line stays here: a worker with lines ahead writes the next one's. */
void relay_settle_lines(struct relay *relay);

/* Our end mark of an activation: one sentinel on each stream, on lines of their own; none on a
 * stream that is `unmarked`. */
void relay_write_sentinels(struct sink *out, struct sink *err);

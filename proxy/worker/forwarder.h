#pragma once

/*
 * forwarder - forward one log stream of a worker to one of our own streams, line by line, and
 * disarm sentinels that the action wrote itself.
 *
 * A sentinel is the line by which the platform sees where an activation's log ends. It must stand
 * on a line of its own, so a line that an activation leaves unfinished gets a newline first. Whole
 * lines are forwarded as they come. A sentinel in the action's own output is changed to lower case,
 * since the platform would stop reading there.
 * Source: openwhisk-contract, section 1.7.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/output.h"
#include "base/sentinel.h"

struct forwarder {
    struct output *output;   /* our own stream, borrowed */
    struct loop_watch watch; /* the worker's pipe; if closed, bytes come only by forwarder_feed() */
    struct buf partial;      /* bytes of an unfinished line, not forwarded yet */
    struct output_waiter waiter;
    bool ended;       /* the worker's pipe is at its end */
    uint64_t n_bytes; /* bytes forwarded in this process's life */
};

void forwarder_init(struct forwarder *forwarder, struct output *output);
/* Take over fd, a pipe from the worker, and forward what it brings. */
void forwarder_open(struct forwarder *forwarder, struct loop *loop, int fd);
/* Like forwarder_open(), but for a pipe that `watch` has open already. */
void forwarder_take_over(struct forwarder *forwarder, struct loop_watch *watch);
/* Forward what the pipe holds now, end an unfinished line, close the pipe. */
void forwarder_close(struct forwarder *forwarder);

/* Forward n bytes that the caller has read, such as log lines found among answers. */
void forwarder_feed(struct forwarder *forwarder, const char *bytes, size_t n);

/* At the end of an activation: forward what the pipe holds at this moment. Bytes that the action
 * writes after this moment are left in the pipe, and an unfinished line is kept. */
void forwarder_settle_lines(struct forwarder *forwarder);
/* End an unfinished line by a newline. Call it after forwarder_settle_lines(), unless the process
 * was given its next activation already: then the line belongs to that one. */
void forwarder_end_line(struct forwarder *forwarder);
/* Whether the forwarder's pipe is open and not at its end. */
bool forwarder_is_open(const struct forwarder *forwarder);

/* Mark the end of an activation: write a sentinel to each stream, on a line of its own. A stream
 * whose member `unmarked` is set (base/output.h) gets none. */
void forwarder_write_sentinels(struct output *out, struct output *err);

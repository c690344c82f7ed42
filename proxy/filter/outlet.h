#pragma once

/*
 * outlet - the destination of answers: stdout, or a named pipe that is reopened for its next
 * reader.
 */

#include <stdbool.h>
#include <sys/uio.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/stream.h"

#define OUTLET_LOOK_MS 50 /* between two attempts to find a reader */

struct outlet {
    struct loop *loop; /* borrowed */
    const char *path;  /* borrowed; NULL: stdout */
    struct stream stream;
    struct loop_timer look; /* when to look for a reader again: the kernel announces none */
    bool left;              /* the reader has left; the owner clears it */
    struct err err;         /* set when nothing can be written any more; else ERR_NONE */
    struct loop_post *told; /* borrowed */
};

void outlet_init(struct outlet *outlet);
/* told: posted when there is room again, a reader has come, or `left` or `err` was set. 0, or
 * -1. */
int outlet_open(struct outlet *outlet, struct loop *loop, const char *path, struct loop_post *told,
                struct err *err);
void outlet_close(struct outlet *outlet);

/* Write without waiting. Returns the bytes written; 0: `told` will be posted, unless there was
 * nothing to write. */
size_t outlet_write(struct outlet *outlet, const struct iovec *pieces, int n_pieces);
/* Like outlet_write(), for after the loop has ended: waits up to wait_ms for room. */
size_t outlet_write_late(struct outlet *outlet, const struct iovec *pieces, int n_pieces,
                         int wait_ms);

#pragma once

/*
 * outlet - writes answers to stdout, or to a named pipe that is reopened for its next reader.
 */

#include <stdbool.h>
#include <sys/uio.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/stream.h"

#define OUTLET_LOOK_MS 50 /* time between two attempts to open a pipe that has no reader */

struct outlet {
    struct loop *loop; /* borrowed */
    const char *path;  /* borrowed; NULL: stdout */
    struct stream stream;
    struct loop_timer look; /* tries to open the pipe: the kernel does not announce a reader */
    bool left;              /* set when the reader leaves; the owner clears it */
    struct err err;         /* why nothing can be written any more; ERR_NONE: we can write */
    struct loop_post *told; /* borrowed; posted when the owner must act: see outlet_open() */
};

void outlet_init(struct outlet *outlet);
/* Open the named pipe `path`, which may have no reader yet; NULL: use stdout. told: borrowed work,
 * posted when there is room again, a reader has come, or `left` or `err` was set. Returns 0; or -1
 * with err. */
int outlet_open(struct outlet *outlet, struct loop *loop, const char *path, struct loop_post *told,
                struct err *err);
void outlet_close(struct outlet *outlet);

/* Write without waiting. Returns the number of bytes written. 0: there was nothing to write, or
 * `told` is posted later, when the caller should try again. */
size_t outlet_write(struct outlet *outlet, const struct iovec *pieces, int n_pieces);
/* Like outlet_write(), but waits up to wait_ms for room. For use after the loop has ended. */
size_t outlet_write_late(struct outlet *outlet, const struct iovec *pieces, int n_pieces,
                         int wait_ms);

#pragma once

/*
 * stream - one of our own streams, or a named pipe, made fit for the loop: it never blocks, and
 * those who share stdin or stdout with us (a shell, a container engine) notice nothing of it.
 */

#include <stdbool.h>

#include "base/loop.h"

struct err;

struct stream {
    struct loop_watch watch; /* open for what can be watched */
    int fd;                  /* what to read from or write to; -1: closed */
    bool is_pipe;            /* a pipe, named or not */
    int shared_fd;           /* whose flags are to be restored at the end; -1: nobody's */
    int shared_flags;
};

void stream_init(struct stream *stream);
/* Open what stands at descriptor 0 or 1. 0; -1 with err: it cannot be used, or (ENXIO) it is a
 * pipe whose reader has left. */
int stream_open_own(struct stream *stream, struct loop *loop, int fd, struct err *err);
/*
 * Open a named pipe for reading or writing. option: its name, for texts. Replaces what is open, and
 * that without a moment in which nobody has the pipe open.
 * Returns 0; -1 with err: there is none, or err->os == ENXIO: no reader is there.
 */
int stream_open_fifo(struct stream *stream, struct loop *loop, const char *option, const char *path,
                     bool writes, struct err *err);
void stream_close(struct stream *stream);

/* For the writing end of a pipe: whether its reader has left. */
bool stream_is_deserted(const struct stream *stream);

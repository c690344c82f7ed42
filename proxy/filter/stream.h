#pragma once

/*
 * stream - one of our own streams, or a named pipe, made fit for the loop: it never blocks, and
 * those who share stdin or stdout with us (a shell, a container engine) notice nothing of it.
 *
 * What can be opened anew is then ours alone. On what cannot, such as a socket, O_NONBLOCK would be
 * everybody's, and stdin and stdout may well be the same one: there each call sees to it itself.
 */

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/loop.h"

struct err;

struct stream {
    struct loop_watch watch; /* open for what can be watched */
    int fd;                  /* what to read from or write to; -1: closed */
    bool is_pipe;            /* a pipe, named or not */
    bool is_socket;
    bool is_shared; /* others have it open, too, and may have it blocking */
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

/* As read() and writev() on a descriptor that does not block: -1 with EAGAIN instead of waiting. */
ssize_t stream_read(const struct stream *stream, char *room, size_t n);
ssize_t stream_write(const struct stream *stream, const struct iovec *pieces, int n_pieces);

/* For the writing end of a pipe: whether its reader has left. */
bool stream_is_deserted(const struct stream *stream);

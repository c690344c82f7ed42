#pragma once

/*
 * stream - non-blocking use of one of our own streams or of a named pipe, without side effects for
 * the processes that share it (a shell, a container engine).
 *
 * A pipe or terminal is reopened through /proc, which gives a file description of our own. Where
 * that fails, as for a socket, the shared one is never set to O_NONBLOCK, which would affect every
 * process that shares it, and both stdin and stdout if they are the same socket: each read or write
 * makes sure by itself that it does not block. A file never blocks.
 */

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/loop.h"

struct err;

#define STREAM_PIPE_BYTES (1 << 20) /* for pipe_bytes, if the stream carries much data */

struct stream {
    struct loop_watch watch; /* open if the stream can be watched */
    int fd;                  /* for reads or writes; -1: closed */
    bool is_pipe;            /* a pipe, named or not */
    bool is_socket;
    bool is_shared; /* shared with other processes, perhaps in blocking mode */
    int pipe_bytes; /* set by the owner: size to ask for if it is a pipe; 0: leave it */
};

void stream_init(struct stream *stream);
/* Use one of our own streams: 0 for reading, any other for writing. It stays open. 0; -1 with err,
 * which names stdin or stdout: it is unusable, or (ENXIO) a pipe whose reader has left. */
int stream_open_own(struct stream *stream, struct loop *loop, int fd, struct err *err);
/*
 * Open a named pipe for reading or writing. option: the command-line option that names the pipe,
 * for error texts. Replaces an open stream without a moment in which nobody holds the pipe open. 0;
 * -1 with err: it failed, or err->os == ENXIO: it has no reader.
 */
int stream_open_fifo(struct stream *stream, struct loop *loop, const char *option, const char *path,
                     bool writes, struct err *err);
void stream_close(struct stream *stream);

/* Like read() and writev() on a non-blocking descriptor: -1 with EAGAIN instead of waiting. */
ssize_t stream_read(const struct stream *stream, char *room, size_t n);
ssize_t stream_write(const struct stream *stream, const struct iovec *pieces, int n_pieces);

/* For the write end of a pipe: whether its reader has left. */
bool stream_is_deserted(const struct stream *stream);

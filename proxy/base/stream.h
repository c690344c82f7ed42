#pragma once

/*
 * stream - non-blocking use of our stdin or stdout, or of a named pipe, without side effects for
 * other processes that share it (a shell, a container engine).
 *
 * A pipe or terminal is reopened through /proc, which gives a file description of our own. Where
 * that fails, as for a socket, we use the shared file description but never set it to O_NONBLOCK.
 * That would affect every process that shares it, and both stdin and stdout if they are the same
 * socket. Instead each read or write makes sure that it does not block. A file never blocks.
 */

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/loop.h"

struct err;

#define STREAM_PIPE_BYTES (1 << 20) /* value of pipe_bytes for streams that carry much data */

struct stream {
    struct loop_watch watch; /* open if the loop can watch the stream: it cannot watch a file */
    int fd;                  /* for reads or writes; -1: closed */
    bool is_pipe;            /* a pipe, named or not */
    bool is_socket;
    bool is_shared; /* fd shares its file description with others, and may be blocking */
    int pipe_bytes; /* setting: if fd is a pipe, try to give it this capacity; 0: the default one */
};

void stream_init(struct stream *stream);
/* Use one of our own streams: fd 0 for reading, any other for writing; fd stays open. Returns 0, or
 * -1 with err, whose text names stdin or stdout: the stream is unusable, or (err->os is ENXIO) a
 * pipe whose reader has left. */
int stream_open_own(struct stream *stream, struct loop *loop, int fd, struct err *err);
/*
 * Open a named pipe for reading or writing. option: the command-line option that names the pipe,
 * for error texts. If the stream is open already, the new descriptor is opened before the old one
 * is closed, so that this end of the pipe is never without a process. Returns 0, or -1 with err;
 * err->os is ENXIO if the pipe has no reader.
 */
int stream_open_fifo(struct stream *stream, struct loop *loop, const char *option, const char *path,
                     bool writes, struct err *err);
void stream_close(struct stream *stream);

/* Like read() and writev() on a non-blocking descriptor: fail with EAGAIN instead of waiting. */
ssize_t stream_read(const struct stream *stream, char *room, size_t n);
ssize_t stream_write(const struct stream *stream, const struct iovec *pieces, int n_pieces);

/* For the write end of a pipe: whether its reader has left. */
bool stream_is_deserted(const struct stream *stream);

#include "base/stream.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/util.h"

void stream_init(struct stream *stream)
{
    memset(stream, 0, sizeof(*stream));
    loop_watch_init(&stream->watch);
    stream->fd = -1;
}

/* Watch fd, which the stream then owns. shared: a descriptor whose file description other processes
 * use, too; fd, so far a placeholder, is made its duplicate. shared is -1: fd is used as it is. */
static void adopt(struct stream *stream, struct loop *loop, int fd, int shared, mode_t mode)
{
    assert(stream->fd < 0);
    stream->fd = fd;
    stream->is_pipe = S_ISFIFO(mode);
    stream->is_socket = S_ISSOCK(mode);
    stream->is_shared = shared >= 0;
    loop_watch_open(loop, &stream->watch, fd);
    if (stream->is_shared) /* only now: loop_watch_open() would make the shared file non-blocking */
        (void)dup3(shared, fd, O_CLOEXEC);
    if (stream->is_pipe && stream->pipe_bytes > 0)
        (void)fcntl(fd, F_SETPIPE_SZ, stream->pipe_bytes); /* on failure keep the smaller pipe */
}

/* Whether fd is a file, /dev/null or the like, which is always ready and cannot be watched. */
static bool is_always_ready(int fd, mode_t mode)
{
    return S_ISREG(mode) || S_ISBLK(mode) || S_ISDIR(mode) || (S_ISCHR(mode) && !isatty(fd));
}

/* Whether fd is open for this access. If it is not, reopening could give us access that we were not
 * given. */
static bool is_open_for(int fd, int access_mode)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && ((flags & O_ACCMODE) == O_RDWR || (flags & O_ACCMODE) == access_mode);
}

int stream_open_own(struct stream *stream, struct loop *loop, int fd, struct err *err)
{
    const char *name = fd == STDIN_FILENO ? "stdin" : "stdout";
    int access_mode = fd == STDIN_FILENO ? O_RDONLY : O_WRONLY;
    struct stat info;
    int own, shared;
    bool is_file;

    assert(stream->fd < 0);
    if (fstat(fd, &info) < 0 || !is_open_for(fd, access_mode))
        return err_set(err, ERR_SYSTEM, EBADF, "%s is closed", name);
    is_file = is_always_ready(fd, info.st_mode);
    own = is_file ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : fd_reopen(fd, access_mode);
    if (own < 0 && errno == ENXIO)
        return err_set(err, ERR_SYSTEM, ENXIO, "the reader of %s has left", name);
    shared = own < 0 && !is_file ? fd : -1;
    if (shared >= 0)
        own = eventfd(0, EFD_CLOEXEC); /* reserves a number, onto which adopt() duplicates fd */
    if (own < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot use %s: %s", name, strerror(errno));
    if (is_file)
        stream->fd = own;
    else
        adopt(stream, loop, own, shared, info.st_mode);
    return 0;
}

int stream_open_fifo(struct stream *stream, struct loop *loop, const char *option, const char *path,
                     bool writes, struct err *err)
{
    auto_fd int fd = open(path, (writes ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_CLOEXEC);
    struct stat info;

    if (fd < 0 && errno == ENXIO && stat(path, &info) == 0 && S_ISFIFO(info.st_mode))
        return err_set(err, ERR_SYSTEM, ENXIO, "%s: nobody reads \"%s\"", option, path);
    if (fd < 0)
        return err_set(err, ERR_REQUEST, errno,
                       "%s: cannot open \"%s\": %s; want a named pipe (mkfifo makes one)", option,
                       path, strerror(errno));
    if (fstat(fd, &info) < 0 || !S_ISFIFO(info.st_mode))
        return err_set(err, ERR_REQUEST, 0, "%s: \"%s\" is no named pipe (mkfifo makes one)",
                       option, path);
    stream_close(stream);
    adopt(stream, loop, fd_take(&fd), -1, info.st_mode);
    return 0;
}

void stream_close(struct stream *stream)
{
    assert(stream->watch.sock == NULL || stream->watch.fd == stream->fd);
    if (stream->watch.sock == NULL)
        fd_close(&stream->fd);
    loop_watch_close(&stream->watch); /* closes fd, too, if it is watched */
    stream->fd = -1;
}

static bool is_ready(const struct stream *stream, short events)
{
    struct pollfd poll_fd = {.fd = stream->fd, .events = events};

    if (poll(&poll_fd, 1, 0) > 0)
        return true;
    errno = EAGAIN;
    return false;
}

ssize_t stream_read(const struct stream *stream, char *room, size_t n)
{
    assert(stream->fd >= 0);
    if (stream->is_socket)
        return recv(stream->fd, room, n, MSG_DONTWAIT);
    if (stream->is_shared && !is_ready(stream, POLLIN))
        return -1;
    return read(stream->fd, room, n);
}

ssize_t stream_write(const struct stream *stream, const struct iovec *pieces, int n_pieces)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)pieces,
                             .msg_iovlen = (size_t)n_pieces};

    assert(n_pieces > 0);
    if (stream->is_socket)
        return sendmsg(stream->fd, &message, MSG_DONTWAIT);
    if (!stream->is_shared)
        return writev(stream->fd, pieces, n_pieces);
    if (!is_ready(stream, POLLOUT))
        return -1;
    /* Skip empty pieces: writing nothing returns 0, and the caller would make no progress. */
    for (; n_pieces > 1 && pieces->iov_len == 0; n_pieces--)
        pieces++;
    /* A stream that poll() reports writable has room for this much. */
    return write(stream->fd, pieces->iov_base,
                 pieces->iov_len < PIPE_BUF ? pieces->iov_len : PIPE_BUF);
}

bool stream_is_deserted(const struct stream *stream)
{
    struct pollfd poll_fd = {.fd = stream->fd, .events = 0};

    return stream->is_pipe && poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & POLLERR) != 0;
}

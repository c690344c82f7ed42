#include "worker/stdin_pipe.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/util.h"

/* a narrow pipe that was writable but not empty this often in a row holds several writes */
#define NOT_EMPTY_MAX 3

void stdin_pipe_init(struct stdin_pipe *in)
{
    memset(in, 0, sizeof(*in));
    loop_watch_init(&in->watch);
}

void stdin_pipe_open(struct stdin_pipe *in, struct loop *loop, int fd)
{
    assert(!stdin_pipe_is_open(in));
    stdin_pipe_init(in);
    loop_watch_open(loop, &in->watch, fd);
}

void stdin_pipe_close(struct stdin_pipe *in)
{
    loop_watch_close(&in->watch);
}

void stdin_pipe_hand_over(struct stdin_pipe *in, struct loop_watch *to)
{
    loop_watch_write(&in->watch, NULL);
    loop_watch_move(&in->watch, to);
}

/* ---- writing ---- */

static ssize_t write_out(struct stdin_pipe *in, const struct iovec *pieces, int n_pieces)
{
    ssize_t n;

    assert(stdin_pipe_is_open(in));
    do {
        n = writev(in->watch.fd, pieces, n_pieces);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : -1;
    in->n_written += (size_t)n;
    return n;
}

ssize_t stdin_pipe_write(struct stdin_pipe *in, const struct iovec *lines, int n_lines)
{
    assert(n_lines > 0);
    in->got_line = true;
    return write_out(in, lines, n_lines);
}

ssize_t stdin_pipe_put(struct stdin_pipe *in, const void *bytes, size_t n)
{
    struct iovec part = {(void *)(uintptr_t)bytes, n};

    return n > 0 ? write_out(in, &part, 1) : 0;
}

bool stdin_pipe_narrow(struct stdin_pipe *in)
{
    assert(!in->narrow || !in->cannot_narrow);
    if (in->narrow || in->cannot_narrow)
        return in->narrow;
    in->wide_bytes = fcntl(in->watch.fd, F_GETPIPE_SZ);
    in->narrow =
        in->wide_bytes > 0 && fcntl(in->watch.fd, F_SETPIPE_SZ, STDIN_PIPE_NARROW_BYTES) > 0;
    in->cannot_narrow = !in->narrow && errno != EBUSY; /* EBUSY: too much is unread now */
    return in->narrow;
}

/* May fail when the user's share of pipe memory is used up. A pipe that stays small works, but is
 * slower. */
void stdin_pipe_widen(struct stdin_pipe *in)
{
    assert(!in->narrow || in->wide_bytes > 0);
    if (in->narrow)
        (void)fcntl(in->watch.fd, F_SETPIPE_SZ, in->wide_bytes);
    in->narrow = false;
}

/* ---- how far the process has read ---- */

static size_t unread(const struct stdin_pipe *in)
{
    int n = 0;

    if (!stdin_pipe_is_open(in) || ioctl(in->watch.fd, FIONREAD, &n) < 0 || n < 0)
        return 0;
    return (size_t)n;
}

/* How many bytes the process has read if n are unread. 0 if the process wrote into its own input,
 * so that more bytes are unread than we have written. */
static uint64_t n_read(const struct stdin_pipe *in, size_t n)
{
    return n < in->n_written ? in->n_written - n : 0;
}

/* How many of n unread bytes are not the empty line that stdin_pipe_ask() may have written. */
static size_t of_lines(const struct stdin_pipe *in, size_t n)
{
    assert(!in->empty_line || in->read_up_to > 0);
    return in->empty_line && n <= in->n_written && in->n_written - n < in->read_up_to ? n - 1 : n;
}

void stdin_pipe_saw_room(struct stdin_pipe *in)
{
    in->n_not_empty = in->narrow && unread(in) > 0 ? in->n_not_empty + 1 : 0;
    if (in->n_not_empty >= NOT_EMPTY_MAX) {
        stdin_pipe_widen(in);
        in->cannot_narrow = true;
    }
}

size_t stdin_pipe_unread(const struct stdin_pipe *in)
{
    return of_lines(in, unread(in));
}

bool stdin_pipe_has_read(const struct stdin_pipe *in)
{
    return n_read(in, unread(in)) > 0;
}

bool stdin_pipe_take_back(struct stdin_pipe *in, struct buf *taken)
{
    size_t most = unread(in); /* can only shrink, unless the process writes into its own input */
    auto_fd int fd = -1;
    char *bytes;
    ssize_t n;

    if (most == 0)
        return true;
    fd = fd_reopen(in->watch.fd, O_RDONLY);
    if (fd < 0)
        return false;
    bytes = buf_room(taken, most);
    do {
        n = read(fd, bytes, most); /* one read, so that the process cannot read between two */
    } while (n < 0 && errno == EINTR);
    if (n <= 0) /* the process has read all before we did */
        return true;
    if (of_lines(in, (size_t)n) < (size_t)n) {
        size_t at = (size_t)(in->read_up_to - (in->n_written - (size_t)n) - 1);

        assert(at < (size_t)n);
        memmove(bytes + at, bytes + at + 1, (size_t)n - at - 1);
        n--;
    }
    buf_added(taken, (size_t)n);
    return true;
}

void stdin_pipe_ask(struct stdin_pipe *in, bool between_lines)
{
    size_t n_unread = unread(in); /* look only once: the process may read at any time */

    if (in->read_up_to > 0)
        return;
    in->read_up_to = n_read(in, n_unread) + 1;
    if (between_lines && n_unread == 0)
        in->empty_line = stdin_pipe_put(in, "\n", 1) > 0;
}

bool stdin_pipe_reads(struct stdin_pipe *in)
{
    if (n_read(in, unread(in)) < in->read_up_to)
        return false;
    in->read_up_to = 0;
    in->empty_line = false;
    return true;
}

#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

#define BUF_FIRST_BYTES 512   /* initial size: a small activation fits without growing */
#define READ_BYTES      65536 /* bytes per read(): as many as a pipe of default size holds */

void buf_done(struct buf *buf)
{
    free(buf->bytes);
    memset(buf, 0, sizeof(*buf));
}

char *buf_room(struct buf *buf, size_t n)
{
    assert(buf->start <= buf->end && buf->end <= buf->size);
    if (buf->size - buf->end >= n)
        return buf->bytes + buf->end;
    if (buf->start > 0 && buf->size - buf_len(buf) >= n && buf->start >= buf_len(buf)) {
        /* Move the bytes to the front only if no more must be moved than have been consumed. So the
         * cost is at most one move for each byte consumed. */
        memmove(buf->bytes, buf->bytes + buf->start, buf_len(buf));
    } else {
        size_t size = buf->size > 0 ? buf->size : BUF_FIRST_BYTES;
        char *grown;

        while (size - buf_len(buf) < n)
            size *= 2;
        grown = xmalloc(size);
        if (buf_len(buf) > 0)
            memcpy(grown, buf->bytes + buf->start, buf_len(buf));
        free(buf->bytes);
        buf->bytes = grown;
        buf->size = size;
    }
    buf->end -= buf->start;
    buf->start = 0;
    assert(buf->size - buf->end >= n);
    return buf->bytes + buf->end;
}

void buf_added(struct buf *buf, size_t n)
{
    assert(buf->size - buf->end >= n);
    buf->end += n;
}

void buf_add(struct buf *buf, const void *bytes, size_t n)
{
    if (n == 0)
        return;
    memcpy(buf_room(buf, n), bytes, n);
    buf_added(buf, n);
}

void buf_add_text(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_drop(struct buf *buf, size_t n)
{
    assert(n <= buf_len(buf));
    buf->start += n;
    if (buf->start == buf->end)
        buf->start = buf->end = 0;
}

void buf_reset(struct buf *buf, size_t keep_bytes)
{
    assert(buf->end <= buf->size);
    buf->start = buf->end = 0;
    if (buf->size > keep_bytes)
        buf_done(buf);
}

/* Wait until fd can be read. false: stop_fd is readable (errno is EINTR), or poll() failed. */
static bool wait_readable(int fd, int stop_fd)
{
    struct pollfd fds[] = {{.fd = stop_fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    int n;

    do
        n = poll(fds, 2, -1);
    while (n < 0 && errno == EINTR);
    if (n >= 0 && fds[0].revents == 0)
        return true;
    errno = n < 0 ? errno : EINTR;
    return false;
}

int buf_read_all(struct buf *buf, int fd, uint64_t bytes_max, int stop_fd)
{
    ssize_t n;

    do {
        if (stop_fd >= 0 && !wait_readable(fd, stop_fd))
            return -1;
        n = read(fd, buf_room(buf, READ_BYTES), READ_BYTES);
        if (n > 0)
            buf_added(buf, (size_t)n);
    } while (n > 0 ? buf_len(buf) <= bytes_max : n < 0 && errno == EINTR);
    return n < 0 ? -1 : 0;
}

/*
 * Our streams are shared with others (a shell, a container engine), so O_NONBLOCK must not be set
 * on them. A pipe or terminal is opened anew through /proc, which gives a file description of our
 * own; a file never blocks; for the rest poll() is asked before each small write.
 */

#include "base/sink.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#define SINK_RETRY_MS    10     /* between two looks at a full stream that cannot be watched */
#define SINK_KEEP_BYTES  16384  /* memory kept while nothing is pending */
#define SINK_EARLY_BYTES 262144 /* pending bytes that leave before the turn ends */

static void on_retry(struct loop_timer *timer)
{
    sink_flush(container_of(timer, struct sink, retry));
}

static void on_writable(struct loop_watch *watch)
{
    sink_flush(container_of(watch, struct sink, watch));
}

static void on_flush(struct loop_post *post)
{
    sink_flush(container_of(post, struct sink, flush));
}

void sink_init(struct sink *sink, struct loop *loop, int fd)
{
    struct stat info;
    int own;

    memset(sink, 0, sizeof(*sink));
    sink->loop = loop;
    sink->fd = fd;
    loop_watch_init(&sink->watch);
    loop_timer_init(&sink->retry, on_retry);
    loop_post_init(&sink->flush, on_flush);
    list_init(&sink->waiters);
    if (fstat(fd, &info) < 0 || S_ISREG(info.st_mode) || (S_ISCHR(info.st_mode) && !isatty(fd)))
        return; /* a file, or /dev/null: nobody is there who could stall */
    own = fd_reopen(fd, O_WRONLY);
    if (own < 0) {
        sink->can_block = true;
        return;
    }
    loop_watch_open(loop, &sink->watch, own);
    sink->fd = own;
}

/* One write that does not block. Bytes written, or -1 with errno (EAGAIN: no room). */
static ssize_t write_some(struct sink *sink, const char *bytes, size_t n)
{
    if (sink->can_block) {
        struct pollfd poll_fd = {.fd = sink->fd, .events = POLLOUT};

        if (poll(&poll_fd, 1, 0) <= 0) {
            errno = EAGAIN;
            return -1;
        }
        n = n < PIPE_BUF ? n : PIPE_BUF; /* writable means room for this much */
    }
    return write(sink->fd, bytes, n);
}

static void wait_for_room(struct sink *sink)
{
    if (sink->watch.sock != NULL)
        loop_watch_write(&sink->watch, on_writable);
    else
        loop_timer_set(sink->loop, &sink->retry, loop_now_ms(sink->loop) + SINK_RETRY_MS);
}

static void tell_waiters(struct sink *sink)
{
    while (!list_empty(&sink->waiters) && !sink_is_full(sink)) {
        struct sink_waiter *waiter = list_item(sink->waiters.next, struct sink_waiter, node);

        list_remove(&waiter->node);
        waiter->on_room(waiter);
    }
}

void sink_flush(struct sink *sink)
{
    loop_post_cancel(&sink->flush);
    while (buf_len(&sink->pending) > 0) {
        ssize_t n = write_some(sink, buf_at(&sink->pending), buf_len(&sink->pending));

        if (n >= 0) {
            sink->n_written += (size_t)n;
            buf_drop(&sink->pending, (size_t)n);
        } else if (errno == EAGAIN) {
            wait_for_room(sink);
            break;
        } else if (errno != EINTR) {
            sink->broken = errno == EPIPE; /* a full disk may have room again later */
            sink->n_dropped += buf_len(&sink->pending);
            buf_drop(&sink->pending, buf_len(&sink->pending));
        }
    }
    if (buf_len(&sink->pending) == 0)
        buf_reset(&sink->pending, SINK_KEEP_BYTES);
    tell_waiters(sink);
}

static void add(struct sink *sink, const void *owner, const char *bytes, size_t n)
{
    if (n == 0)
        return;
    sink_line_start(sink, owner);
    if (sink->instead != NULL) {
        sink->line_owner = bytes[n - 1] == '\n' ? NULL : owner;
        sink->instead->on_bytes(sink->instead, owner, bytes, n);
        return;
    }
    if (sink->broken || (owner == NULL && buf_len(&sink->pending) >= SINK_OWN_BYTES)) {
        sink->n_dropped += n;
        return;
    }
    buf_add(&sink->pending, bytes, n);
    sink->line_owner = bytes[n - 1] == '\n' ? NULL : owner;
    if (buf_len(&sink->pending) < SINK_EARLY_BYTES)
        loop_post(sink->loop, &sink->flush);
    else if (list_empty(&sink->waiters))
        sink_flush(sink);
}

void sink_add(struct sink *sink, const void *owner, const char *bytes, size_t n)
{
    struct buf changed = {0};

    if (owner != NULL && n > 0 && sink->tap != NULL)
        sink->tap->on_bytes(sink->tap, owner, bytes, n);
    if (owner == NULL || sink->rewrite == NULL) {
        add(sink, owner, bytes, n);
        return;
    }
    sink->rewrite(sink->rewrite_owner, bytes, n, &changed);
    add(sink, owner, buf_at(&changed), buf_len(&changed));
    buf_done(&changed);
}

void sink_line_start(struct sink *sink, const void *owner)
{
    if (sink->line_owner == NULL || sink->line_owner == owner)
        return;
    if (sink->instead != NULL)
        sink->instead->on_bytes(sink->instead, sink->line_owner, "\n", 1);
    sink->line_owner = NULL;
    if (sink->broken || sink->instead != NULL)
        return;
    buf_add(&sink->pending, "\n", 1);
    loop_post(sink->loop, &sink->flush);
}

void sink_wait(struct sink *sink, struct sink_waiter *waiter)
{
    assert(list_empty(&waiter->node));
    list_add_tail(&sink->waiters, &waiter->node);
}

void sink_done(struct sink *sink, int wait_ms)
{
    struct pollfd poll_fd = {.fd = sink->fd, .events = POLLOUT};
    uint64_t end_ns = loop_clock_ns() + (uint64_t)wait_ms * 1000000;
    uint64_t now_ns;

    sink_flush(sink);
    while (buf_len(&sink->pending) > 0 && (now_ns = loop_clock_ns()) < end_ns &&
           poll(&poll_fd, 1, (int)((end_ns - now_ns) / 1000000) + 1) > 0)
        sink_flush(sink);
    loop_post_cancel(&sink->flush);
    loop_timer_clear(&sink->retry);
    loop_watch_close(&sink->watch);
    buf_done(&sink->pending);
}

#include "base/output.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/err.h"

#define OUTPUT_KEEP_BYTES 16384 /* bytes of memory kept while nothing is pending */
/* With this many bytes pending, write at once, not at the end of the loop's turn. */
#define OUTPUT_EARLY_BYTES 262144

static void on_writable(struct loop_watch *watch)
{
    output_flush(container_of(watch, struct output, stream.watch));
}

static void on_flush(struct loop_post *post)
{
    output_flush(container_of(post, struct output, flush));
}

void output_init(struct output *output, struct loop *loop, int fd)
{
    struct err err;

    memset(output, 0, sizeof(*output));
    output->loop = loop;
    stream_init(&output->stream);
    loop_post_init(&output->flush, on_flush);
    list_init(&output->waiters);
    output->broken = stream_open_own(&output->stream, loop, fd, &err) < 0;
}

static void tell_waiters(struct output *output)
{
    struct list *node;

    while (!output_is_full(output) && (node = list_take_first(&output->waiters)) != NULL) {
        struct output_waiter *waiter = list_item(node, struct output_waiter, node);

        waiter->on_room(waiter);
    }
}

void output_flush(struct output *output)
{
    loop_post_cancel(&output->flush);
    while (buf_len(&output->pending) > 0) {
        struct iovec piece = {output->pending.bytes + output->pending.start,
                              buf_len(&output->pending)};
        ssize_t n = stream_write(&output->stream, &piece, 1);

        if (n >= 0) {
            output->n_written += (size_t)n;
            buf_drop(&output->pending, (size_t)n);
        } else if (errno == EAGAIN && output->stream.watch.sock != NULL) {
            loop_watch_write(&output->stream.watch, on_writable);
            break;
        } else if (errno != EINTR) {
            /* EPIPE: no reader, so drop all later bytes, too. After other errors later bytes are
             * still written: a full disk may have room again. */
            output->broken = errno == EPIPE;
            output->n_dropped += buf_len(&output->pending);
            buf_drop(&output->pending, buf_len(&output->pending));
        }
    }
    if (buf_len(&output->pending) == 0)
        buf_reset(&output->pending, OUTPUT_KEEP_BYTES);
    tell_waiters(output);
}

static void add(struct output *output, const void *owner, const char *bytes, size_t n)
{
    if (n == 0)
        return;
    output_line_start(output, owner);
    assert(output->line_owner == NULL || output->line_owner == owner);
    if (output->instead != NULL) {
        output->line_owner = bytes[n - 1] == '\n' ? NULL : owner;
        output->instead->on_bytes(output->instead, owner, bytes, n);
        return;
    }
    if (output->broken || (owner == NULL && buf_len(&output->pending) >= OUTPUT_OWN_BYTES)) {
        output->n_dropped += n;
        return;
    }
    buf_add(&output->pending, bytes, n);
    output->line_owner = bytes[n - 1] == '\n' ? NULL : owner;
    if (buf_len(&output->pending) < OUTPUT_EARLY_BYTES)
        loop_post(output->loop, &output->flush);
    else if (list_empty(&output->waiters))
        output_flush(output); /* not with waiters: it would call on_room() inside output_add() */
}

void output_add(struct output *output, const void *owner, const char *bytes, size_t n)
{
    auto_buf struct buf changed = {0};

    if (owner != NULL && n > 0 && output->tap != NULL)
        output->tap->on_bytes(output->tap, owner, bytes, n);
    if (owner == NULL || output->rewrite == NULL) {
        add(output, owner, bytes, n);
        return;
    }
    output->rewrite(output->rewrite_owner, bytes, n, &changed);
    add(output, owner, buf_at(&changed), buf_len(&changed));
}

void output_line_start(struct output *output, const void *owner)
{
    if (output->line_owner == NULL || output->line_owner == owner)
        return;
    if (output->instead != NULL)
        output->instead->on_bytes(output->instead, output->line_owner, "\n", 1);
    output->line_owner = NULL;
    if (output->broken || output->instead != NULL)
        return;
    buf_add(&output->pending, "\n", 1);
    loop_post(output->loop, &output->flush);
}

bool output_wait(struct output *output, struct output_waiter *waiter)
{
    assert(waiter->on_room != NULL);
    if (!output_is_full(output))
        return false;
    if (list_empty(&waiter->node))
        list_add_tail(&output->waiters, &waiter->node);
    return true;
}

void output_done(struct output *output, int wait_ms)
{
    struct pollfd poll_fd = {.fd = output->stream.fd, .events = POLLOUT};
    uint64_t end_ns = loop_clock_ns() + (uint64_t)wait_ms * 1000000;
    uint64_t now_ns;

    output_flush(output);
    while (buf_len(&output->pending) > 0 && (now_ns = loop_clock_ns()) < end_ns &&
           poll(&poll_fd, 1, (int)((end_ns - now_ns) / 1000000) + 1) > 0)
        output_flush(output);
    loop_post_cancel(&output->flush);
    stream_close(&output->stream);
    buf_done(&output->pending);
}

#include "worker/forwarder.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#define READ_BYTES 65536      /* most bytes per read: the default capacity of a pipe */
#define TURN_BYTES (1u << 20) /* most bytes forwarded per stream and turn of the loop */
#define HOLD_BYTES 65536      /* an unfinished line longer than this is forwarded in pieces */

static void on_readable(struct loop_watch *watch);

static void on_room(struct output_waiter *waiter)
{
    struct forwarder *forwarder = container_of(waiter, struct forwarder, waiter);

    assert(list_empty(&waiter->node));
    if (forwarder->watch.sock != NULL && !forwarder->ended)
        loop_watch_read(&forwarder->watch, on_readable);
}

void forwarder_init(struct forwarder *forwarder, struct output *output)
{
    memset(forwarder, 0, sizeof(*forwarder));
    forwarder->output = output;
    loop_watch_init(&forwarder->watch);
    list_init(&forwarder->waiter.node);
    forwarder->waiter.on_room = on_room;
}

void forwarder_open(struct forwarder *forwarder, struct loop *loop, int fd)
{
    assert(forwarder->watch.sock == NULL);
    loop_watch_open(loop, &forwarder->watch, fd);
    loop_watch_read(&forwarder->watch, on_readable);
}

void forwarder_take_over(struct forwarder *forwarder, struct loop_watch *watch)
{
    assert(forwarder->watch.sock == NULL);
    loop_watch_move(watch, &forwarder->watch);
    loop_watch_read(&forwarder->watch, on_readable);
}

static void forward(struct forwarder *forwarder, const char *bytes, size_t n)
{
    forwarder->n_bytes += n;
    output_add(forwarder->output, forwarder, bytes, n);
}

/* Forward what `partial` holds, except for its last n_hold bytes. */
static void forward_partial(struct forwarder *forwarder, size_t n_hold)
{
    size_t n = buf_len(&forwarder->partial) - n_hold;

    assert(n_hold <= buf_len(&forwarder->partial));
    sentinel_disarm(forwarder->partial.bytes + forwarder->partial.start,
                    buf_len(&forwarder->partial));
    forward(forwarder, buf_at(&forwarder->partial), n);
    buf_drop(&forwarder->partial, n);
    if (n_hold == 0)
        buf_reset(&forwarder->partial, 0);
}

/* Forward the whole lines among n new bytes, and keep the start of an unfinished one. Sentinels in
 * `bytes` are changed to lower case in place. */
static void take_in(struct forwarder *forwarder, char *bytes, size_t n)
{
    char *newline = memrchr(bytes, '\n', n);
    size_t n_whole = newline != NULL ? (size_t)(newline - bytes) + 1 : 0;

    if (n_whole > 0 && buf_len(&forwarder->partial) == 0) {
        sentinel_disarm(bytes, n_whole);
        forward(forwarder, bytes, n_whole);
    } else if (n_whole > 0) {
        buf_add(&forwarder->partial, bytes, n_whole);
        forward_partial(forwarder, 0);
    }
    buf_add(&forwarder->partial, bytes + n_whole, n - n_whole);
    /* An unfinished line of this length is forwarded in pieces. Keep its last bytes for the next
     * piece: they may be the start of a sentinel. */
    if (buf_len(&forwarder->partial) > HOLD_BYTES)
        forward_partial(forwarder, SENTINEL_LEN - 1);
    assert(buf_len(&forwarder->partial) <= HOLD_BYTES);
}

void forwarder_feed(struct forwarder *forwarder, const char *bytes, size_t n)
{
    char copy[1024];

    while (n > 0) {
        size_t n_now = n < sizeof(copy) ? n : sizeof(copy);

        memcpy(copy, bytes, n_now);
        take_in(forwarder, copy, n_now);
        bytes += n_now;
        n -= n_now;
    }
}

/* Read and forward up to max bytes. Returns how many came; less than max: the pipe is empty or at
 * its end. */
static size_t pull(struct forwarder *forwarder, size_t max)
{
    static char scratch[READ_BYTES]; /* static is safe: one thread, no recursion */
    size_t total = 0;

    assert(forwarder->watch.sock != NULL);
    while (total < max) {
        size_t want = max - total < sizeof(scratch) ? max - total : sizeof(scratch);
        ssize_t n = read(forwarder->watch.fd, scratch, want);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break; /* EAGAIN: nothing more for now */
        if (n == 0) {
            forwarder->ended = true;
            break;
        }
        take_in(forwarder, scratch, (size_t)n);
        total += (size_t)n;
        if ((size_t)n < want)
            break;
    }
    return total;
}

static void on_readable(struct loop_watch *watch)
{
    struct forwarder *forwarder = container_of(watch, struct forwarder, watch);

    if (output_wait(forwarder->output, &forwarder->waiter)) {
        loop_watch_read(watch, NULL);
        return;
    }
    (void)pull(forwarder, TURN_BYTES);
    if (forwarder->ended)
        loop_watch_read(watch, NULL); /* a pipe at its end would be ready for ever */
}

bool forwarder_is_open(const struct forwarder *forwarder)
{
    return forwarder->watch.sock != NULL && !forwarder->ended;
}

void forwarder_settle_lines(struct forwarder *forwarder)
{
    int n_unread = 0;

    if (forwarder_is_open(forwarder) && ioctl(forwarder->watch.fd, FIONREAD, &n_unread) == 0 &&
        n_unread > 0)
        (void)pull(forwarder, (size_t)n_unread);
}

void forwarder_end_line(struct forwarder *forwarder)
{
    if (buf_len(&forwarder->partial) > 0)
        forward_partial(forwarder, 0);
    if (forwarder->output->line_owner == forwarder)
        output_line_start(forwarder->output, NULL);
    assert(buf_len(&forwarder->partial) == 0);
}

void forwarder_close(struct forwarder *forwarder)
{
    forwarder_settle_lines(forwarder);
    forwarder_end_line(forwarder);
    list_remove(&forwarder->waiter.node);
    loop_watch_close(&forwarder->watch);
    buf_done(&forwarder->partial);
    forwarder->ended = false;
    forwarder->n_bytes = 0;
}

void forwarder_write_sentinels(struct output *out, struct output *err)
{
    struct output *const streams[] = {out, err};

    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        output_line_start(streams[i], NULL);
        assert(streams[i]->line_owner == NULL);
        if (!streams[i]->unmarked)
            output_add(streams[i], NULL, SENTINEL "\n", sizeof(SENTINEL));
    }
}

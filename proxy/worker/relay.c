#include "worker/relay.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#define RELAY_READ_BYTES    65536      /* one read; as much as a pipe of default size holds */
#define RELAY_TURN_BYTES    (1u << 20) /* forwarded per stream and turn, so that others get theirs */
#define RELAY_PARTIAL_BYTES 65536 /* an unfinished line longer than this is forwarded in pieces */

static void on_readable(struct loop_watch *watch);

static void on_room(struct sink_waiter *waiter)
{
    struct relay *relay = container_of(waiter, struct relay, waiter);

    if (relay->watch.sock != NULL && !relay->ended)
        loop_watch_read(&relay->watch, on_readable);
}

void relay_init(struct relay *relay, struct sink *sink)
{
    memset(relay, 0, sizeof(*relay));
    relay->sink = sink;
    loop_watch_init(&relay->watch);
    list_init(&relay->waiter.node);
    relay->waiter.on_room = on_room;
}

void relay_open(struct relay *relay, struct loop *loop, int fd)
{
    loop_watch_open(loop, &relay->watch, fd);
    loop_watch_read(&relay->watch, on_readable);
}

void relay_take_over(struct relay *relay, struct loop_watch *watch)
{
    loop_watch_move(watch, &relay->watch);
    loop_watch_read(&relay->watch, on_readable);
}

static void forward(struct relay *relay, const char *bytes, size_t n)
{
    relay->n_bytes += n;
    sink_add(relay->sink, relay, bytes, n);
}

/* Forward what is kept of an unfinished line, but for its last n_hold bytes. */
static void forward_partial(struct relay *relay, size_t n_hold)
{
    size_t n = buf_len(&relay->partial) - n_hold;

    sentinel_disarm(relay->partial.bytes + relay->partial.start, buf_len(&relay->partial));
    forward(relay, buf_at(&relay->partial), n);
    buf_drop(&relay->partial, n);
    if (n_hold == 0)
        buf_reset(&relay->partial, 0);
}

/* bytes: may be altered. Lines go on; the start of a line is kept until its end is here. */
static void take_in(struct relay *relay, char *bytes, size_t n)
{
    char *newline = memrchr(bytes, '\n', n);
    size_t n_whole = newline != NULL ? (size_t)(newline - bytes) + 1 : 0;

    if (n_whole > 0 && buf_len(&relay->partial) == 0) {
        sentinel_disarm(bytes, n_whole);
        forward(relay, bytes, n_whole);
    } else if (n_whole > 0) {
        buf_add(&relay->partial, bytes, n_whole);
        forward_partial(relay, 0);
    }
    buf_add(&relay->partial, bytes + n_whole, n - n_whole);
    /* A sentinel may lie across the cut: what could be the start of one is held back. */
    if (buf_len(&relay->partial) > RELAY_PARTIAL_BYTES)
        forward_partial(relay, SENTINEL_LEN - 1);
}

void relay_feed(struct relay *relay, const char *bytes, size_t n)
{
    char copy[1024];

    while (n > 0) {
        size_t n_now = n < sizeof(copy) ? n : sizeof(copy);

        memcpy(copy, bytes, n_now);
        take_in(relay, copy, n_now);
        bytes += n_now;
        n -= n_now;
    }
}

/* Read and forward up to max bytes. Returns what came; less than max: the pipe is empty or ended. */
static size_t pull(struct relay *relay, size_t max)
{
    static char scratch[RELAY_READ_BYTES]; /* one thread, used only inside this function */
    size_t total = 0;

    while (total < max) {
        size_t want = max - total < sizeof(scratch) ? max - total : sizeof(scratch);
        ssize_t n = read(relay->watch.fd, scratch, want);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break; /* EAGAIN: nothing more for now */
        if (n == 0) {
            relay->ended = true;
            break;
        }
        take_in(relay, scratch, (size_t)n);
        total += (size_t)n;
        if ((size_t)n < want)
            break;
    }
    return total;
}

static void on_readable(struct loop_watch *watch)
{
    struct relay *relay = container_of(watch, struct relay, watch);

    if (sink_is_full(relay->sink)) {
        loop_watch_read(watch, NULL);
        if (list_empty(&relay->waiter.node))
            sink_wait(relay->sink, &relay->waiter);
        return;
    }
    (void)pull(relay, RELAY_TURN_BYTES);
    if (relay->ended)
        loop_watch_read(watch, NULL); /* the descriptor would be ready for ever */
}

void relay_settle_lines(struct relay *relay)
{
    int held = 0;

    if (relay->watch.sock != NULL && !relay->ended &&
        ioctl(relay->watch.fd, FIONREAD, &held) == 0 && held > 0)
        (void)pull(relay, (size_t)held);
}

void relay_settle(struct relay *relay)
{
    relay_settle_lines(relay);
    if (buf_len(&relay->partial) > 0)
        forward_partial(relay, 0);
    if (relay->sink->line_owner == relay)
        sink_line_start(relay->sink, NULL);
}

void relay_close(struct relay *relay)
{
    relay_settle(relay);
    list_remove(&relay->waiter.node);
    loop_watch_close(&relay->watch);
    buf_done(&relay->partial);
    relay->ended = false;
    relay->n_bytes = 0;
}

void relay_write_sentinels(struct sink *out, struct sink *err)
{
    struct sink *const streams[] = {out, err};

    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        sink_line_start(streams[i], NULL);
        if (!streams[i]->unmarked)
            sink_add(streams[i], NULL, SENTINEL "\n", sizeof(SENTINEL));
    }
}

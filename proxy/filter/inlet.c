#include "filter/inlet.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define READ_BYTES 262144  /* most bytes per turn of the loop, so that writing is not delayed */
#define KEEP_BYTES 1048576 /* memory that the line buffer keeps while it is empty */
#define OPTION     "--in"

static void pull(struct inlet *inlet);

static void on_readable(struct loop_watch *watch)
{
    pull(container_of(watch, struct inlet, stream.watch));
}

/* Read again, in the loop's next turn. That takes a timer: posted work that posts itself would run
 * again and again in the same turn. */
static void on_again(struct loop_timer *timer)
{
    pull(container_of(timer, struct inlet, again));
}

void inlet_init(struct inlet *inlet)
{
    memset(inlet, 0, sizeof(*inlet));
    stream_init(&inlet->stream);
    inlet->stream.pipe_bytes = STREAM_PIPE_BYTES;
    loop_timer_init(&inlet->again, on_again);
}

int inlet_open(struct inlet *inlet, struct loop *loop, const char *path, size_t line_max_bytes,
               struct loop_post *told, struct err *err)
{
    assert(inlet->stream.fd < 0);
    assert(!inlet->ended);
    inlet->loop = loop;
    inlet->path = path;
    inlet->told = told;
    inlet->fresh = true;
    line_init(&inlet->line, line_max_bytes);
    if (path != NULL)
        return stream_open_fifo(&inlet->stream, loop, OPTION, path, false, err);
    return stream_open_own(&inlet->stream, loop, STDIN_FILENO, err);
}

void inlet_close(struct inlet *inlet)
{
    loop_timer_clear(&inlet->again);
    stream_close(&inlet->stream);
    line_done(&inlet->line);
    inlet->wanted = inlet->at_end = false;
    inlet->ended = true;
}

static bool is_reading(const struct inlet *inlet)
{
    return inlet->wanted && !inlet->at_end && !inlet->ended;
}

/* Start or stop reading. If the writer of a named pipe left before we opened the pipe, the kernel
 * never reports the end of the input, not even after we have read the last bytes. So, after each
 * opening, a timer reads the pipe until a read finds it empty. */
static void go_on(struct inlet *inlet)
{
    bool watched = inlet->stream.watch.sock != NULL && !inlet->fresh;

    if (inlet->stream.watch.sock != NULL)
        loop_watch_read(&inlet->stream.watch, watched && is_reading(inlet) ? on_readable : NULL);
    if (!watched && is_reading(inlet))
        loop_timer_set(inlet->loop, &inlet->again, 0);
}

void inlet_want(struct inlet *inlet, bool wanted)
{
    if (inlet->wanted == wanted || inlet->ended)
        return;
    inlet->wanted = wanted;
    go_on(inlet);
}

/* What a read of 0 bytes means. true: the writer has left. false: no writer has come yet. */
static bool is_end(const struct inlet *inlet)
{
    return inlet->path == NULL || !inlet->fresh || inlet->n_read > inlet->opened_at;
}

static void pull(struct inlet *inlet)
{
    bool was_fresh = inlet->fresh;
    char *room;
    ssize_t n;

    if (!is_reading(inlet))
        return;
    assert(inlet->stream.fd >= 0);
    if (buf_len(&inlet->line.buf) == 0)
        buf_reset(&inlet->line.buf, KEEP_BYTES);
    room = line_room(&inlet->line, READ_BYTES);
    n = stream_read(&inlet->stream, room, READ_BYTES);
    if (n > 0) {
        line_added(&inlet->line, (size_t)n);
        inlet->n_read += (size_t)n;
    } else if (n == 0) {
        inlet->at_end = is_end(inlet);
        inlet->fresh = false;
    } else if (errno == EAGAIN) {
        inlet->fresh = false;
    } else if (errno != EINTR) {
        (void)err_set(&inlet->err, ERR_SYSTEM, errno, "cannot read %s: %s",
                      inlet->path != NULL ? inlet->path : "stdin", strerror(errno));
        inlet->at_end = true;
    }
    if (n > 0 || inlet->at_end)
        loop_post(inlet->loop, inlet->told);
    if (inlet->at_end || was_fresh || inlet->stream.watch.sock == NULL)
        go_on(inlet);
}

/* Called when the last line of a writer was handed out: reopen a named pipe for the next writer, or
 * end the input. */
static void leave(struct inlet *inlet)
{
    const char *path = inlet->path;

    assert(inlet->at_end);
    assert(!inlet->ended);
    line_reset(&inlet->line, KEEP_BYTES);
    if (path == NULL || inlet->err.kind != ERR_NONE ||
        stream_open_fifo(&inlet->stream, inlet->loop, OPTION, path, false, &inlet->err) < 0) {
        inlet_close(inlet);
        return;
    }
    inlet->at_end = false;
    inlet->fresh = true;
    inlet->opened_at = inlet->n_read;
    go_on(inlet);
}

enum line_result inlet_next(struct inlet *inlet, const char **text, size_t *n, uint64_t *end_at)
{
    enum line_result result;

    if (inlet->ended)
        return LINE_NONE;
    result = line_next(&inlet->line, text, n);
    if (result == LINE_NONE && inlet->at_end) {
        *n = line_rest(&inlet->line, text);
        line_skip(&inlet->line, *n);
        if (*n > 0)
            result = LINE_READY;
        else
            leave(inlet);
    }
    assert(inlet->n_read >= buf_len(&inlet->line.buf));
    *end_at = inlet->n_read - buf_len(&inlet->line.buf);
    return result;
}

uint64_t inlet_seen(const struct inlet *inlet)
{
    int held = 0;

    if (inlet->stream.fd >= 0 && !inlet->at_end)
        (void)ioctl(inlet->stream.fd, FIONREAD, &held);
    return inlet->n_read + (held > 0 ? (uint64_t)held : 0);
}

#include "filter/outlet.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static void on_look(struct loop_timer *timer);

void outlet_init(struct outlet *outlet)
{
    memset(outlet, 0, sizeof(*outlet));
    stream_init(&outlet->stream);
    outlet->stream.pipe_bytes = STREAM_PIPE_BYTES;
    loop_timer_init(&outlet->look, on_look);
}

/* Close the stream, whose reader has left. If it is a named pipe, open the pipe again later, for
 * another reader. */
static void lose_reader(struct outlet *outlet)
{
    assert(outlet->stream.fd >= 0);
    stream_close(&outlet->stream);
    outlet->left = true;
    if (outlet->path == NULL)
        (void)err_set(&outlet->err, ERR_SYSTEM, EPIPE, "the reader of stdout has left");
    else
        loop_timer_set(outlet->loop, &outlet->look, loop_now_ms(outlet->loop) + OUTLET_LOOK_MS);
    loop_post(outlet->loop, outlet->told);
}

/* Called when the loop finds the pipe readable. We hold the write end, which becomes readable only
 * when the reader has left. */
static void on_deserted(struct loop_watch *watch)
{
    struct outlet *outlet = container_of(watch, struct outlet, stream.watch);

    if (stream_is_deserted(&outlet->stream))
        lose_reader(outlet);
}

static void on_writable(struct loop_watch *watch)
{
    struct outlet *outlet = container_of(watch, struct outlet, stream.watch);

    loop_post(outlet->loop, outlet->told);
}

static void watch_reader(struct outlet *outlet)
{
    if (outlet->stream.is_pipe && outlet->stream.watch.sock != NULL)
        loop_watch_read(&outlet->stream.watch, on_deserted);
}

/* Open the named pipe if it has a reader; otherwise try again later. */
static int look(struct outlet *outlet, struct err *err)
{
    assert(outlet->path != NULL);
    assert(outlet->stream.fd < 0);
    if (stream_open_fifo(&outlet->stream, outlet->loop, "--out", outlet->path, true, err) == 0) {
        watch_reader(outlet);
        loop_post(outlet->loop, outlet->told);
    } else if (err->os == ENXIO) {
        loop_timer_set(outlet->loop, &outlet->look, loop_now_ms(outlet->loop) + OUTLET_LOOK_MS);
    } else {
        return -1;
    }
    return 0;
}

static void on_look(struct loop_timer *timer)
{
    struct outlet *outlet = container_of(timer, struct outlet, look);
    struct err err;

    if (look(outlet, &err) < 0) {
        outlet->err = err;
        loop_post(outlet->loop, outlet->told);
    }
}

int outlet_open(struct outlet *outlet, struct loop *loop, const char *path, struct loop_post *told,
                struct err *err)
{
    assert(outlet->stream.fd < 0);
    outlet->loop = loop;
    outlet->path = path;
    outlet->told = told;
    if (path != NULL)
        return look(outlet, err);
    if (stream_open_own(&outlet->stream, loop, STDOUT_FILENO, err) < 0)
        return -1;
    watch_reader(outlet);
    return 0;
}

void outlet_close(struct outlet *outlet)
{
    loop_timer_clear(&outlet->look);
    stream_close(&outlet->stream);
}

size_t outlet_write(struct outlet *outlet, const struct iovec *pieces, int n_pieces)
{
    ssize_t n;

    if (outlet->stream.fd < 0 || n_pieces == 0)
        return 0;
    assert(outlet->err.kind == ERR_NONE); /* an error closes the stream */
    do
        n = stream_write(&outlet->stream, pieces, n_pieces);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        return (size_t)n;
    if (n < 0 && errno == EPIPE) {
        lose_reader(outlet);
    } else if (n < 0 && errno == EAGAIN && outlet->stream.watch.sock != NULL) {
        loop_watch_write(&outlet->stream.watch, on_writable);
    } else {
        (void)err_set(&outlet->err, ERR_SYSTEM, errno, "cannot write %s: %s",
                      outlet->path != NULL ? outlet->path : "stdout", strerror(errno));
        outlet_close(outlet);
        loop_post(outlet->loop, outlet->told);
    }
    return 0;
}

size_t outlet_write_late(struct outlet *outlet, const struct iovec *pieces, int n_pieces,
                         int wait_ms)
{
    struct pollfd poll_fd = {.fd = outlet->stream.fd, .events = POLLOUT};

    if (poll_fd.fd < 0 || poll(&poll_fd, 1, wait_ms) <= 0)
        return 0;
    return outlet_write(outlet, pieces, n_pieces);
}

/* lines - read input and cut it into lines; write answers. Python's other threads run during the
 * reads and writes. */

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "inside.h"

#define READ_BYTES (64u << 10)  /* size of a pipe by default */
#define READ_MAX   (1u << 20)   /* largest single read, for a long line */
#define KEEP_BYTES (256u << 10) /* memory kept between lines */
#define AHEAD_MAX  (1u << 20)   /* most bytes read ahead while an activation runs */

/* Read some input. 1; 0: the input has ended; -1: an exception is raised. */
static int read_some(struct lines *lines)
{
    size_t n_held = buf_len(&lines->buf);
    size_t size = n_held < READ_BYTES ? READ_BYTES : n_held < READ_MAX ? n_held : READ_MAX;
    char *room = buf_room(&lines->buf, size);

    for (;;) {
        ssize_t n;
        int failed;

        /* A signal that came while no line of Python ran would wait for the next input. */
        if (PyErr_CheckSignals() < 0)
            return -1;
        Py_BEGIN_ALLOW_THREADS n = read(lines->fd, room, size);
        failed = errno;
        Py_END_ALLOW_THREADS if (n >= 0)
        {
            buf_added(&lines->buf, (size_t)n);
            return n > 0;
        }
        errno = failed;
        if (failed != EINTR) {
            (void)PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
    }
}

int lines_next(struct lines *lines, const char **line, size_t *n)
{
    for (;;) {
        const char *text = buf_at(&lines->buf);
        size_t n_held = buf_len(&lines->buf);
        const char *newline = n_held > lines->n_seen
                                  ? memchr(text + lines->n_seen, '\n', n_held - lines->n_seen)
                                  : NULL;
        int status;

        if (newline != NULL || (lines->ended && n_held > 0)) {
            *line = text; /* in a shell, the last line may lack a newline */
            *n = newline != NULL ? (size_t)(newline - text) : n_held;
            return 1;
        }
        if (lines->ended)
            return 0;
        lines->n_seen = n_held;
        status = read_some(lines);
        if (status < 0)
            return -1;
        lines->ended = status == 0;
    }
}

void lines_drop(struct lines *lines, size_t n)
{
    size_t n_held = buf_len(&lines->buf);

    assert(n <= n_held);
    buf_drop(&lines->buf, n < n_held ? n + 1 : n);
    lines->n_seen = 0;
    if (buf_len(&lines->buf) == 0)
        buf_reset(&lines->buf, KEEP_BYTES);
}

bool lines_read_ready(struct lines *lines)
{
    struct pollfd fd = {.fd = lines->fd, .events = POLLIN};

    while (!lines->ended && buf_len(&lines->buf) < AHEAD_MAX && poll(&fd, 1, 0) > 0) {
        int status = read_some(lines);

        if (status < 0)
            return false;
        lines->ended = status == 0;
    }
    return true;
}

bool lines_hold(const struct lines *lines, const char *line, size_t n)
{
    const char *at = buf_at(&lines->buf);
    size_t n_left = buf_len(&lines->buf);

    while (n_left >= n) {
        const char *newline = memchr(at, '\n', n_left);

        if (newline == NULL)
            return false;
        if ((size_t)(newline - at) + 1 == n && memcmp(at, line, n) == 0)
            return true;
        n_left -= (size_t)(newline - at) + 1;
        at = newline + 1;
    }
    return false;
}

bool lines_write(int fd, const char *bytes, size_t n, size_t *done)
{
    *done = 0;
    while (*done < n) {
        ssize_t written;
        int failed;

        Py_BEGIN_ALLOW_THREADS written = write(fd, bytes + *done, n - *done);
        failed = errno;
        Py_END_ALLOW_THREADS if (written >= 0)
        {
            *done += (size_t)written;
            continue;
        }
        errno = failed;
        if (failed != EINTR)
            return false;
        if (PyErr_CheckSignals() < 0) {
            errno = 0;
            return false;
        }
    }
    return true;
}

#include "lines.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/line.h"
#include "base/util.h"

#define READ_BYTES     (1u << 20)  /* as large as the proxy makes the pipe: one read may empty it */
#define LINE_MAX_BYTES (64u << 20) /* the proxy's own bound for the body of a /run */
#define KEEP_BYTES     (4u << 20)  /* memory kept between reads; the largest body measured fits */

static const char ready[] = "{\"ok\":true,\"pipeline\":64}\n";

static int fail(const char *what)
{
    (void)fprintf(stderr, "bench action: %s: %s\n", what, strerror(errno));
    return -1;
}

static void answer_one(lines_answer_fn *answer, struct buf *out, const char *text, size_t n)
{
    answer(out, text, n);
    buf_add(out, "\n", 1);
}

/* Answer all whole lines there are, in one write. */
static int answer_lines(lines_answer_fn *answer, struct line *line, struct buf *out, int fd)
{
    enum line_result result;
    const char *text;
    size_t n;

    while ((result = line_next(line, &text, &n)) == LINE_READY)
        answer_one(answer, out, text, n);
    if (result == LINE_TOO_LONG) {
        errno = EMSGSIZE;
        return fail("cannot keep a line, it is longer than 64 MiB");
    }
    if (buf_len(out) > 0 && fd_write_all(fd, buf_at(out), buf_len(out)) < 0)
        return fail("cannot write an answer");
    buf_reset(out, KEEP_BYTES);
    return 0;
}

/* Read until the input ends. */
static int serve(lines_answer_fn *answer, struct line *line, struct buf *out, int fd)
{
    const char *text;
    size_t n_rest;

    for (;;) {
        ssize_t n = read(STDIN_FILENO, line_room(line, READ_BYTES), READ_BYTES);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail("cannot read the input");
        if (n == 0)
            break;
        line_added(line, (size_t)n);
        if (answer_lines(answer, line, out, fd) < 0)
            return -1;
    }
    n_rest = line_rest(line, &text);
    if (n_rest > 0)
        answer_one(answer, out, text, n_rest);
    line_skip(line, n_rest);
    return answer_lines(answer, line, out, fd);
}

int lines_serve(lines_answer_fn *answer)
{
    const char *wait_for_ack = getenv("__OW_WAIT_FOR_ACK");
    bool announces = wait_for_ack != NULL && wait_for_ack[0] != '\0';
    int fd = announces ? 3 : STDOUT_FILENO;
    struct buf out = {0};
    struct line line;
    int result = 0;

    assert(answer != NULL);
    if (announces && fd_write_all(fd, ready, strlen(ready)) < 0)
        return fail("cannot announce readiness on descriptor 3") < 0;
    line_init(&line, LINE_MAX_BYTES);
    result = serve(answer, &line, &out, fd);
    line_done(&line);
    buf_done(&out);
    return result < 0 ? 1 : 0;
}

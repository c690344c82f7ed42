/* serve - lines in: read as many as there are, cut, call the handler, answer. */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "inside.h"

#define READ_BYTES (1u << 20) /* as large as the proxy makes the pipe: one read may empty it */

struct serve {
    whisk_handler_fn *handler;
    struct whisk whisk;
    struct buf lines; /* what was read and not answered yet */
    size_t n_seen;    /* bytes of it that hold no newline */
    bool skips;       /* in the rest of a line that is too long */
    int in;
};

static void complain(const char *what)
{
    (void)fprintf(stderr, "whisk_action: %s: %s\n", what, strerror(errno));
}

/* Find the argument; NULL, or why the line is none. */
static const char *open_line(struct whisk *w, const char *text, size_t n)
{
    static const struct json_slice nothing = {"{}", 2, JSON_OBJECT};
    enum json_kind kind = json_check(text, n, NULL);

    if (kind == JSON_BAD)
        return "the line is no JSON";
    if (kind != JSON_OBJECT && kind != JSON_NULL)
        return "the line is no JSON object";
    w->line = kind == JSON_OBJECT ? json_top(text, n) : nothing;
    if (!json_member(w->line, "value", &w->value) || w->value.kind == JSON_NULL)
        w->value = nothing;
    return NULL;
}

static void answer_line(struct serve *s, const char *text, size_t n)
{
    struct whisk *w = &s->whisk;
    const char *fault;

    whisk_reset(w);
    out_wake();
    fault = open_line(w, text, n);
    if (fault != NULL) {
        answer_error(w, fault);
    } else {
        variables_set(w->line);
        answer_close(w, s->handler(w));
    }
    out_answer(buf_at(&w->answer), buf_len(&w->answer));
}

static void refuse_line(struct serve *s)
{
    answer_error(&s->whisk, "the line is longer than 64 MiB");
    out_answer(buf_at(&s->whisk.answer), buf_len(&s->whisk.answer));
}

/* Answer all whole lines there are. false: this is a fork of the process that should. */
static bool answer_lines(struct serve *s)
{
    for (;;) {
        const char *text = buf_at(&s->lines);
        size_t n = buf_len(&s->lines);
        const char *newline = n > s->n_seen ? memchr(text + s->n_seen, '\n', n - s->n_seen) : NULL;

        if (newline == NULL)
            break;
        n = (size_t)(newline - text);
        if (s->skips)
            refuse_line(s);
        else
            answer_line(s, text, n);
        if (!out_is_ours())
            return false;
        s->skips = false;
        s->n_seen = 0;
        buf_drop(&s->lines, n + 1);
    }
    s->n_seen = buf_len(&s->lines);
    if (s->n_seen > LINE_MAX_BYTES || s->skips) {
        s->skips = true;
        s->n_seen = 0;
        buf_reset(&s->lines, KEEP_BYTES);
    }
    return true;
}

/* Read until the input ends; -1: errno tells why it could not be. */
static int read_lines(struct serve *s)
{
    for (;;) {
        ssize_t n = read(s->in, buf_room(&s->lines, READ_BYTES), READ_BYTES);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return (int)n;
        buf_added(&s->lines, (size_t)n);
        if (!answer_lines(s)) {
            (void)fputs("whisk_action: a forked child has returned from the handler\n", stderr);
            exit(EXIT_FAILURE);
        }
        if (!out_flush())
            return -1;
    }
}

/* A last line may lack its newline. */
static void finish(struct serve *s)
{
    if (buf_len(&s->lines) == 0 && !s->skips)
        return;
    buf_add(&s->lines, "\n", 1);
    s->n_seen = buf_len(&s->lines) - 1;
    (void)answer_lines(s);
}

int whisk_serve(whisk_handler_fn *handler)
{
    const char *wait_for_ack = getenv("__OW_WAIT_FOR_ACK");
    struct serve s = {.handler = handler, .in = -1};
    int result;

    assert(handler != NULL);
    if (!out_open(&s.in, wait_for_ack != NULL && wait_for_ack[0] != '\0')) {
        complain("cannot prepare for activations");
        return EXIT_FAILURE;
    }
    result = read_lines(&s);
    if (result < 0)
        complain("cannot read activations or write answers");
    else
        finish(&s);
    if (!out_flush())
        result = -1;
    whisk_done(&s.whisk);
    buf_done(&s.lines);
    (void)close(s.in);
    return result < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

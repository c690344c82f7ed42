/* serve - read input, cut it into lines, call the handler for each line, and answer. */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "inside.h"

#define READ_BYTES (1u << 20) /* as large as the proxy makes the pipe: one read may empty it */

struct serve {
    const struct whisk_function *functions;
    size_t n_functions;
    struct whisk whisk;
    struct buf lines; /* input that was read and is not answered yet */
    size_t n_seen;    /* the first bytes of `lines`, which were searched and hold no newline */
    bool skips;       /* a line was too long, and its rest is being skipped */
    int in;

    /* The line whose handler runs. */
    uint64_t number; /* its number among all requests, from 1; control lines name it */
    size_t n_line;   /* its bytes, with the newline */

    /* For handlers that send parts. */
    bool reads_ahead;    /* input that follows the running handler's line is in `ahead` */
    struct buf ahead;    /* that input, which is not in `lines` meanwhile */
    size_t ahead_line;   /* offset in `ahead` of the first line that was not looked at */
    size_t ahead_n_seen; /* the first bytes of `ahead`, which were searched for newlines */
};

static void complain(const char *what)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the thread of out.c never calls strerror(). */
    (void)fprintf(stderr, "whisk_action: %s: %s\n", what, strerror(errno));
}

/* Find the argument in a line. Returns NULL, or why the line is not a request. */
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

/* The function that the line's "method" names, or the first one. NULL: no function has that name;
 * *method is set. */
static whisk_handler_fn *choose(struct serve *s, struct json_slice *method)
{
    if (s->n_functions == 1 || !json_member(s->whisk.line, "method", method) ||
        method->kind == JSON_NULL)
        return s->functions[0].handler;
    for (size_t i = 0; i < s->n_functions; i++)
        if (method->kind == JSON_STRING && json_equals(*method, s->functions[i].name))
            return s->functions[i].handler;
    return NULL;
}

static void answer_no_method(struct serve *s, struct json_slice method)
{
    struct buf text = {0};

    buf_add_text(&text, "method not found: ");
    json_compact(&text, method);
    for (size_t i = 0; i < s->n_functions; i++) {
        buf_add_text(&text, i == 0 ? "; want " : ", ");
        buf_add_text(&text, s->functions[i].name);
    }
    buf_add(&text, "", 1);
    answer_error(&s->whisk, buf_at(&text));
    buf_done(&text);
}

/* ---- what lies behind the line whose handler runs ---- */

/* Whether this is the proxy's control line "cancel N". It may come after activation N has ended. */
static bool is_control(const struct serve *s, const char *text, size_t n)
{
    return s->whisk.sends_parts && n > 7 && memcmp(text, "cancel ", 7) == 0;
}

static void begin_ahead(struct serve *s)
{
    size_t n_behind = buf_len(&s->lines) - s->n_line;

    /* Nothing may be read into `lines` now: its memory might move, and it holds the argument. */
    buf_add(&s->ahead, buf_at(&s->lines) + s->n_line, n_behind);
    s->lines.end -= n_behind;
    s->reads_ahead = true;
    s->ahead_line = s->ahead_n_seen = 0;
}

static void end_ahead(struct serve *s)
{
    buf_add(&s->lines, buf_at(&s->ahead), buf_len(&s->ahead));
    buf_reset(&s->ahead, KEEP_BYTES);
    s->reads_ahead = false;
}

void serve_look_ahead(struct whisk *w)
{
    struct serve *s = container_of(w, struct serve, whisk);
    struct pollfd input = {.fd = s->in, .events = POLLIN};
    const char *newline;
    char wanted[32];
    size_t n_wanted;

    if (!out_is_ours())
        return;
    if (!s->reads_ahead)
        begin_ahead(s);
    while (buf_len(&s->ahead) < LINE_MAX_BYTES && poll(&input, 1, 0) == 1) {
        ssize_t n = read(s->in, buf_room(&s->ahead, READ_BYTES), READ_BYTES);

        if (n <= 0) /* the end or an error; read_lines() meets it again */
            break;
        buf_added(&s->ahead, (size_t)n);
    }
    n_wanted =
        (size_t)snprintf(wanted, sizeof(wanted), "cancel %llu", (unsigned long long)s->number);
    while (s->ahead_n_seen < buf_len(&s->ahead)) {
        const char *text = buf_at(&s->ahead);

        newline = memchr(text + s->ahead_n_seen, '\n', buf_len(&s->ahead) - s->ahead_n_seen);
        if (newline == NULL) {
            s->ahead_n_seen = buf_len(&s->ahead);
            return;
        }
        text += s->ahead_line;
        w->has_left = w->has_left ||
                      ((size_t)(newline - text) == n_wanted && memcmp(text, wanted, n_wanted) == 0);
        s->ahead_line += (size_t)(newline - text) + 1;
        s->ahead_n_seen = s->ahead_line;
    }
}

/* ---- one line ---- */

static void answer_line(struct serve *s, const char *text, size_t n)
{
    struct whisk *w = &s->whisk;
    struct json_slice method = {0};
    whisk_handler_fn *handler;
    const char *fault;

    whisk_reset(w);
    out_wake();
    fault = open_line(w, text, n);
    if (fault != NULL && is_control(s, text, n))
        return;
    s->number++;
    s->n_line = n + 1;
    if (fault != NULL) {
        answer_error(w, fault);
    } else if ((handler = choose(s, &method)) == NULL) {
        answer_no_method(s, method);
    } else {
        variables_set(w->line);
        answer_close(w, handler(w));
    }
    out_answer(buf_at(&w->answer), buf_len(&w->answer));
}

static void refuse_line(struct serve *s)
{
    s->number++;
    answer_error(&s->whisk, "the line is longer than 64 MiB");
    out_answer(buf_at(&s->whisk.answer), buf_len(&s->whisk.answer));
}

/* Answer all complete lines. false: this process is a fork made by a handler, and must not. */
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
        if (buf_len(&s->lines) == 0)
            buf_reset(&s->lines, KEEP_BYTES);
        if (s->reads_ahead)
            end_ahead(s);
    }
    s->n_seen = buf_len(&s->lines);
    if (s->n_seen > LINE_MAX_BYTES || s->skips) {
        s->skips = true;
        s->n_seen = 0;
        buf_reset(&s->lines, KEEP_BYTES);
    }
    return true;
}

/* Read and answer lines until the input ends. 0, or -1: see errno. */
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
            exit(EXIT_FAILURE); /* NOLINT(concurrency-mt-unsafe): a fork has one thread */
        }
        if (!out_flush())
            return -1;
    }
}

/* Answer the last line, if it lacks its newline. */
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
    struct whisk_function function = {"main", handler};

    return whisk_serve_functions(&function, 1);
}

int whisk_serve_functions(const struct whisk_function *functions, size_t n)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the thread of out.c is not started yet. */
    const char *wait_for_ack = getenv("__OW_WAIT_FOR_ACK");
    struct serve s = {.functions = functions, .n_functions = n, .in = -1};
    int result;

    assert(n > 0);
    for (size_t i = 0; i < n; i++)
        assert(functions[i].handler != NULL);
    s.whisk.sends_parts = wait_for_ack != NULL && wait_for_ack[0] != '\0';
    if (!out_open(&s.in, s.whisk.sends_parts)) {
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
    buf_done(&s.ahead);
    (void)close(s.in);
    return result < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

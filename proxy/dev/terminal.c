#include "dev/terminal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/util.h"
#include "dev/activations.h"
#include "dev/fault.h"
#include "dev/text.h"

#define ANSWER_SHOWN_BYTES 2048
#define FAULT_SHOWN_LINES  12
#define REASON_SHOWN_BYTES 160

#define DIM    "2"
#define RED    "31"
#define GREEN  "32"
#define YELLOW "33"
#define BOLD   "1"

static void put(struct terminal *t, struct buf *line)
{
    assert(buf_len(line) > 0);
    assert(buf_at(line)[buf_len(line) - 1] == '\n');
    output_add(&t->output, NULL, buf_at(line), buf_len(line));
    buf_done(line);
}

static void add_colored(const struct terminal *t, struct buf *out, const char *color,
                        const char *text)
{
    text_add(out, t->colors ? "\033[%sm%s\033[0m" : "%.0s%s", color, text);
}

static void add_time(const struct terminal *t, struct buf *out)
{
    char text[16];
    time_t now = time(NULL);
    struct tm parts;

    (void)localtime_r(&now, &parts);
    (void)strftime(text, sizeof(text), "%H:%M:%S", &parts);
    add_colored(t, out, DIM, text);
    buf_add_text(out, "  ");
}

/* Make a log line from `line`, which contains a JSON object: put the members "time" and "event" in
 * front of the object's members, and append a newline. */
static void make_json_line(struct buf *line, const char *event)
{
    auto_buf struct buf object = *line;

    assert(buf_len(&object) > 2);
    assert(buf_at(&object)[0] == '{');
    *line = (struct buf){0};
    text_add(line, "{\"time\":%" PRIu64 ",\"event\":\"%s\",", text_now_ms(), event);
    buf_add(line, buf_at(&object) + 1, buf_len(&object) - 1);
    buf_add_text(line, "\n");
}

/* ---- public functions ---- */

void terminal_init(struct terminal *t, struct loop *loop, bool is_json)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    *t = (struct terminal){.is_json = is_json};
    output_init(&t->output, loop, STDOUT_FILENO);
    t->colors = isatty(STDOUT_FILENO) == 1 && (no_color == NULL || no_color[0] == '\0') &&
                term != NULL && strcmp(term, "dumb") != 0;
}

void terminal_done(struct terminal *t, int wait_ms)
{
    output_done(&t->output, wait_ms);
}

void terminal_say(struct terminal *t, const char *event, const char *text)
{
    auto_buf struct buf line = {0};

    if (t->is_json) {
        buf_add_text(&line, "{\"text\":");
        text_add_json(&line, text);
        buf_add_text(&line, "}");
        make_json_line(&line, event);
    } else {
        add_time(t, &line);
        buf_add_text(&line, text);
        buf_add_text(&line, "\n");
    }
    put(t, &line);
}

/* Append the last lines of a failed load's output. They go below the line that tells where the
 * fault is. */
static void add_words(const struct terminal *t, struct buf *out, const char *text)
{
    size_t n = strlen(text), start;
    unsigned n_lines = 0;

    while (n > 0 && text[n - 1] == '\n')
        n--;
    for (start = n; start > 0 && n_lines < FAULT_SHOWN_LINES; start--)
        if (text[start - 1] == '\n' && ++n_lines == FAULT_SHOWN_LINES)
            break;
    while (start < n) {
        size_t n_line = strcspn(text + start, "\n");

        add_colored(t, out, RED, "  load |");
        text_add(out, " %.*s\n", (int)(start + n_line > n ? n - start : n_line), text + start);
        start += n_line + 1;
    }
}

void terminal_say_broken(struct terminal *t, const struct fault *fault, unsigned serving)
{
    const char *words = fault->text;
    size_t n_message = strlen(fault->message);
    auto_buf struct buf line = {0};

    if (t->is_json) {
        fault_write(fault, &line);
        make_json_line(&line, "broken");
        put(t, &line);
        return;
    }
    add_time(t, &line);
    add_colored(t, &line, RED, "does not load: ");
    if (fault->file != NULL)
        text_add(&line, "%s:%u: ", fault->file, fault->line);
    buf_add_text(&line, fault->message);
    if (serving > 0)
        text_add(&line, " (version %u goes on)", serving);
    buf_add_text(&line, "\n");
    if (strncmp(words, fault->message, n_message) == 0 && words[n_message] == '\n')
        words += n_message + 1; /* skip the message, which the line above shows */
    if (words != fault->text || strchr(words, '\n') != NULL)
        add_words(t, &line, words);
    put(t, &line);
}

/* ---- activations ---- */

static void format_log(const struct terminal *t, struct buf *out, const char *id,
                       const char *stream, const char *text, size_t n)
{
    bool is_err = strcmp(stream, "stderr") == 0;

    buf_add_text(out, "  ");
    if (id != NULL) {
        add_colored(t, out, DIM, id);
        buf_add_text(out, " ");
    }
    add_colored(t, out, is_err ? YELLOW : DIM,
                is_err                        ? "err |"
                : strcmp(stream, "load") == 0 ? "load |"
                                              : "out |");
    buf_add_text(out, " ");
    buf_add(out, text, n);
    if (t->colors && memchr(text, '\033', n) != NULL)
        buf_add_text(out, "\033[0m");
    buf_add_text(out, "\n");
}

/* Tell how many log lines and activations were dropped. (events.c tells the pages what they missed,
 * also by an event "dropped".) */
static void say_dropped(struct terminal *t)
{
    struct buf note = {0};

    assert(t->n_dropped > 0);
    if (t->is_json) {
        text_add(&note, "{\"count\":%" PRIu64 "}", t->n_dropped);
        make_json_line(&note, "dropped");
    } else {
        text_add(&note,
                 "  ... %" PRIu64 " log lines or activations not shown: the terminal is slow\n",
                 t->n_dropped);
    }
    put(t, &note);
    t->n_dropped = 0;
}

static void put_log(struct terminal *t, struct buf *lines)
{
    if (buf_len(&t->output.pending) > TERMINAL_PENDING_BYTES) {
        t->n_dropped++;
        buf_done(lines);
        return;
    }
    if (t->n_dropped > 0)
        say_dropped(t);
    put(t, lines);
}

void terminal_log(struct terminal *t, struct activation *a, const char *stream, const char *text,
                  size_t n)
{
    auto_buf struct buf line = {0};

    if (t->is_json) {
        buf_add_text(&line, "{\"activation\":");
        text_add_json(&line, a != NULL ? a->id : NULL);
        text_add(&line, ",\"stream\":\"%s\",\"text\":", stream);
        json_quote(&line, text, n);
        buf_add_text(&line, "}");
        make_json_line(&line, "log");
        put_log(t, &line);
        return;
    }
    if (a != NULL && !a->is_shown && buf_len(&a->lines) < TERMINAL_HOLD_BYTES) {
        format_log(t, &a->lines, NULL, stream, text, n);
        return;
    }
    if (a != NULL)
        terminal_show(t, a);
    format_log(t, &line, a != NULL ? a->id : NULL, stream, text, n);
    put_log(t, &line);
}

void terminal_said(struct terminal *t, const char *text, size_t n)
{
    while (n > 0) {
        const char *end = memchr(text, '\n', n);
        size_t n_line = end != NULL ? (size_t)(end - text) : n;

        terminal_log(t, NULL, "load", text, n_line);
        n_line += end != NULL;
        text += n_line;
        n -= n_line;
    }
}

static void add_held(struct activation *a, struct buf *out)
{
    buf_add(out, buf_at(&a->lines), buf_len(&a->lines));
    buf_done(&a->lines);
}

void terminal_show(struct terminal *t, struct activation *a)
{
    struct buf line = {0};

    if (a->is_shown || t->is_json)
        return;
    assert(a->status == ACTIVATION_RUNNING);
    a->is_shown = true;
    add_time(t, &line);
    add_colored(t, &line, BOLD, a->id);
    buf_add_text(&line, "  running\n");
    add_held(a, &line);
    put_log(t, &line);
}

void terminal_show_waiting(struct terminal *t, struct activation *a)
{
    struct buf line = {0};

    if (a->is_wait_shown || t->is_json)
        return;
    assert(a->status == ACTIVATION_RUNNING);
    assert(!a->is_shown);
    a->is_wait_shown = true;
    add_time(t, &line);
    add_colored(t, &line, BOLD, a->id);
    buf_add_text(&line, "  waiting for a process that is free\n");
    put_log(t, &line);
}

static void add_duration(struct buf *out, uint64_t us)
{
    if (us < 10000)
        text_add(out, "%.1f ms", (double)us / 1000);
    else if (us < 10000000)
        text_add(out, "%.0f ms", (double)us / 1000);
    else
        text_add(out, "%.1f s", (double)us / 1000000);
}

/* Append the member "error" of the activation's answer, if there is one, and the reason. */
static void add_error(const struct activation *a, struct buf *out)
{
    struct json_slice top, error;

    if (buf_len(&a->answer) == 0)
        return;
    top = json_top(buf_at(&a->answer), buf_len(&a->answer));
    if (top.kind != JSON_OBJECT || !json_member(top, "error", &error))
        return;
    text_add(out, "  %.*s", (int)(error.n < REASON_SHOWN_BYTES ? error.n : REASON_SHOWN_BYTES),
             error.text);
    if (buf_len(&a->reason) > 0)
        text_add(out, " (%.*s)", (int)buf_len(&a->reason), buf_at(&a->reason));
}

void terminal_end(struct terminal *t, struct activation *a)
{
    static const char *const colors[] = {
        [ACTIVATION_RUNNING] = DIM, [ACTIVATION_OK] = GREEN, [ACTIVATION_ERROR] = RED,
        [ACTIVATION_TIMEOUT] = RED, [ACTIVATION_DIED] = RED,
    };
    auto_buf struct buf line = {0};

    if (t->is_json) {
        activation_write(a, &line);
        make_json_line(&line, "activation");
        put_log(t, &line);
        return;
    }
    add_time(t, &line);
    assert(a->status != ACTIVATION_RUNNING);
    add_colored(t, &line, BOLD, a->id);
    buf_add_text(&line, "  ");
    add_colored(t, &line, colors[a->status], activation_status_name(a->status));
    buf_add_text(&line, "  ");
    add_duration(&line, a->duration_us);
    if (a->n_parts > 0) {
        text_add(&line, " (%u part%s, the first after ", a->n_parts, a->n_parts > 1 ? "s" : "");
        add_duration(&line, a->first_part_us);
        buf_add_text(&line, ")");
    }
    if (a->memory_bytes > 0)
        text_add(&line, "  %.1f MB", (double)a->memory_bytes / 1e6);
    if (a->status != ACTIVATION_OK)
        add_error(a, &line);
    buf_add_text(&line, "\n");
    add_held(a, &line);
    put_log(t, &line);
}

void terminal_answer(struct terminal *t, const char *answer, size_t n)
{
    auto_buf struct buf line = {0};

    if (t->is_json) {
        buf_add_text(&line, "{\"answer\":");
        buf_add(&line, answer, n);
        buf_add_text(&line, "}");
        make_json_line(&line, "answer");
    } else {
        buf_add_text(&line, "  ");
        add_colored(t, &line, GREEN, "answer |");
        text_add(&line, " %.*s%s\n", (int)(n < ANSWER_SHOWN_BYTES ? n : ANSWER_SHOWN_BYTES), answer,
                 n > ANSWER_SHOWN_BYTES ? " ..." : "");
    }
    put(t, &line);
}

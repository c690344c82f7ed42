/* answer - the functions of whisk_action.h that write the answer. They build text, not a tree. */

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "base/util.h"
#include "inside.h"

#define FORMATTED_BYTES 512 /* whisk_addf() allocates memory only for longer texts */

int answer_refuse(struct whisk *w, const char *why)
{
    if (w->error[0] == '\0')
        (void)snprintf(w->error, sizeof(w->error), "%s", why);
    return -1;
}

/* ---- where a piece may stand ---- */

static bool in_array(const struct whisk *w)
{
    return w->depth > 0 && (w->arrays >> (w->depth - 1) & 1) != 0;
}

static int open_level(struct whisk *w, bool is_array)
{
    uint64_t bit;

    if (w->depth == NESTING_MAX)
        return answer_refuse(w, "the answer is nested more than 64 levels deep");
    bit = (uint64_t)1 << w->depth;
    buf_add(&w->answer, is_array ? "[" : "{", 1);
    w->arrays = is_array ? w->arrays | bit : w->arrays & ~bit;
    w->filled &= ~bit;
    w->depth++;
    return 0;
}

static void close_level(struct whisk *w)
{
    buf_add(&w->answer, in_array(w) ? "]" : "}", 1);
    w->depth--;
}

/* Whether n more bytes are too many. The quotes and escapes that they need are not counted. */
static bool is_full(const struct whisk *w, size_t n)
{
    return n > ANSWER_MAX_BYTES || buf_len(&w->answer) > ANSWER_MAX_BYTES - n;
}

/* Append what stands in front of a value of about n bytes: a comma, its key, a colon. 0, or -1: no
 * such value is allowed here. */
static int begin_value(struct whisk *w, const char *key, size_t n)
{
    if (w->error[0] != '\0')
        return -1;
    if (w->in_text)
        return answer_refuse(w, "a text of the answer is still open, whisk_end() is missing");
    if (is_full(w, n))
        return answer_refuse(w, "the answer is longer than 64 MiB");
    if (w->depth == 0 && w->begun)
        return answer_refuse(w, "the answer is complete already");
    if (w->depth == 0 && key != NULL) {
        w->implied = true;
        if (open_level(w, false) < 0)
            return -1;
    }
    w->begun = true;
    if (w->depth == 0)
        return 0;
    if ((key == NULL) != in_array(w))
        return answer_refuse(w, key != NULL
                                    ? "an array of the answer has items, which have no key"
                                    : "an object of the answer has members, which need a key");
    if ((w->filled >> (w->depth - 1) & 1) != 0)
        buf_add(&w->answer, ",", 1);
    w->filled |= (uint64_t)1 << (w->depth - 1);
    if (key != NULL) {
        json_quote(&w->answer, key, strlen(key));
        buf_add(&w->answer, ":", 1);
    }
    return 0;
}

int whisk_begin_object(struct whisk *w, const char *key)
{
    return begin_value(w, key, 2) < 0 ? -1 : open_level(w, false);
}

int whisk_begin_array(struct whisk *w, const char *key)
{
    return begin_value(w, key, 2) < 0 ? -1 : open_level(w, true);
}

/* Append text as it stands in a JSON string, but without the quotes around it. */
static void add_quoted(struct whisk *w, const char *text, size_t n)
{
    size_t at = buf_len(&w->answer);
    char *quoted;

    if (n == 0)
        return;
    json_quote(&w->answer, text, n);
    quoted = w->answer.bytes + w->answer.start + at;
    w->answer.end -= 2;
    memmove(quoted, quoted + 1, buf_len(&w->answer) - at);
}

static void close_text(struct whisk *w)
{
    add_quoted(w, w->cut, w->n_cut); /* the text may end within a character */
    w->n_cut = 0;
    buf_add(&w->answer, "\"", 1);
    w->in_text = false;
}

int whisk_end(struct whisk *w)
{
    if (w->error[0] != '\0')
        return -1;
    if (w->in_text) {
        close_text(w);
        return 0;
    }
    if (w->depth == (w->implied ? 1U : 0U))
        return answer_refuse(w, "whisk_end() without a begin");
    close_level(w);
    return 0;
}

/* ---- values ---- */

int whisk_add_bytes(struct whisk *w, const char *key, const char *text, size_t n)
{
    if (begin_value(w, key, n) < 0)
        return -1;
    json_quote(&w->answer, text, n);
    return 0;
}

int whisk_add_text(struct whisk *w, const char *key, const char *text)
{
    return text != NULL ? whisk_add_bytes(w, key, text, strlen(text)) : whisk_add_null(w, key);
}

int whisk_addf(struct whisk *w, const char *key, const char *format, ...)
{
    char text[FORMATTED_BYTES];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n < 0)
        return answer_refuse(w, "whisk_addf() has a format that cannot be printed");
    if ((size_t)n >= sizeof(text)) {
        auto_free char *large = xmalloc((size_t)n + 1);

        va_start(args, format);
        (void)vsnprintf(large, (size_t)n + 1, format, args);
        va_end(args);
        return whisk_add_bytes(w, key, large, (size_t)n);
    }
    return whisk_add_bytes(w, key, text, (size_t)n);
}

/* Append a value that is JSON text already. */
static int add_raw(struct whisk *w, const char *key, const char *text, size_t n)
{
    if (begin_value(w, key, n) < 0)
        return -1;
    buf_add(&w->answer, text, n);
    return 0;
}

int whisk_add_int(struct whisk *w, const char *key, int64_t number)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "%lld", (long long)number);

    return add_raw(w, key, text, (size_t)n);
}

int whisk_add_double(struct whisk *w, const char *key, double number)
{
    char text[40];
    int n;

    if (!isfinite(number))
        return answer_refuse(w,
                             "a number of the answer is infinite or NaN, which JSON cannot tell");
    /* Use 15 digits if they read back as the same number, else 17. */
    n = snprintf(text, sizeof(text), "%.15g", number);
    if (strtod(text, NULL) != number) /* NOLINT: exact equality is meant */
        n = snprintf(text, sizeof(text), "%.17g", number);
    for (char *at = text; *at != '\0'; at++) {
        if (*at == ',') /* the decimal point in some locales */
            *at = '.';
    }
    return add_raw(w, key, text, (size_t)n);
}

int whisk_add_bool(struct whisk *w, const char *key, bool value)
{
    return value ? add_raw(w, key, "true", 4) : add_raw(w, key, "false", 5);
}

int whisk_add_null(struct whisk *w, const char *key)
{
    return add_raw(w, key, "null", 4);
}

int whisk_add_value(struct whisk *w, const char *key, struct whisk_value value)
{
    if (value.kind == WHISK_NONE)
        return whisk_add_null(w, key);
    return add_raw(w, key, value.text, value.n);
}

int whisk_add_json(struct whisk *w, const char *key, const char *json, size_t n)
{
    struct json_slice slice;

    if (json_check(json, n, NULL) == JSON_BAD)
        return answer_refuse(w, "whisk_add_json() was given what is no JSON");
    if (begin_value(w, key, n) < 0)
        return -1;
    slice = json_top(json, n);
    if (memchr(slice.text, '\n', slice.n) != NULL || memchr(slice.text, '\r', slice.n) != NULL)
        json_compact(&w->answer, slice); /* an answer must be one line */
    else
        buf_add(&w->answer, slice.text, slice.n);
    return 0;
}

/* ---- a text in pieces ---- */

int whisk_begin_text(struct whisk *w, const char *key)
{
    if (begin_value(w, key, 2) < 0)
        return -1;
    buf_add(&w->answer, "\"", 1);
    w->in_text = true;
    return 0;
}

/* How many bytes at the end of text are the start of an incomplete UTF-8 character. */
static size_t cut_at_end(const char *text, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = (unsigned char)text[n - back];

        if (c >= 0xc0) {
            size_t whole = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

            return whole > back ? back : 0;
        }
        if (c < 0x80)
            return 0;
    }
    return 0;
}

int whisk_more(struct whisk *w, const char *text, size_t n)
{
    size_t n_cut;

    if (w->error[0] != '\0')
        return -1;
    if (!w->in_text)
        return answer_refuse(w, "whisk_more() without whisk_begin_text()");
    if (is_full(w, n))
        return answer_refuse(w, "the answer is longer than 64 MiB");
    /* If the last piece has cut a character, add bytes until it is complete or proves invalid. */
    while (w->n_cut > 0 && n > 0) {
        w->cut[w->n_cut++] = *text++;
        n--;
        n_cut = cut_at_end(w->cut, w->n_cut); /* behind an invalid start another may begin */
        add_quoted(w, w->cut, w->n_cut - n_cut);
        memmove(w->cut, w->cut + w->n_cut - n_cut, n_cut);
        w->n_cut = (unsigned)n_cut;
    }
    if (n == 0)
        return 0;
    n_cut = cut_at_end(text, n);
    add_quoted(w, text, n - n_cut);
    memcpy(w->cut, text + n - n_cut, n_cut);
    w->n_cut = (unsigned)n_cut;
    return 0;
}

/* ---- the end ---- */

int whisk_fail(struct whisk *w, const char *format, ...)
{
    char text[sizeof(w->error)];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    w->error[0] = '\0'; /* the handler's text replaces an earlier one */
    return answer_refuse(w, text[0] != '\0' ? text : "the action failed");
}

void answer_restart(struct whisk *w)
{
    buf_reset(&w->answer, KEEP_BYTES);
    w->arrays = w->filled = 0;
    w->depth = w->n_cut = 0;
    w->implied = w->begun = w->in_text = false;
}

void answer_end(struct whisk *w)
{
    if (w->in_text)
        close_text(w);
    while (w->depth > 0)
        close_level(w);
    if (!w->begun)
        buf_add_text(&w->answer, "{}");
}

void answer_error(struct whisk *w, const char *text)
{
    buf_reset(&w->answer, KEEP_BYTES);
    buf_add_text(&w->answer, "{\"error\":");
    json_quote(&w->answer, text, strlen(text));
    buf_add_text(&w->answer, "}");
}

void answer_close(struct whisk *w, int status)
{
    char text[sizeof(w->error)];

    if (status == 0 && w->n_parts > 0 && !w->begun)
        parts_close(w);
    if (status != 0 && w->error[0] == '\0')
        (void)snprintf(w->error, sizeof(w->error), "the action returned %d", status);
    if (w->error[0] != '\0') {
        memcpy(text, w->error, sizeof(text));
        whisk_log("%s", text);
        answer_error(w, text);
        return;
    }
    answer_end(w);
}

void whisk_log(const char *format, ...)
{
    va_list args;

    flockfile(stderr);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    funlockfile(stderr);
}

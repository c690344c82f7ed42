#include "base/line.h"

#include <assert.h>
#include <string.h>

void line_init(struct line *line, size_t max_bytes)
{
    memset(line, 0, sizeof(*line));
    line->max_bytes = max_bytes;
}

void line_done(struct line *line)
{
    buf_done(&line->buf);
    line->seen = 0;
}

char *line_room(struct line *line, size_t n)
{
    return buf_room(&line->buf, n);
}

void line_added(struct line *line, size_t n)
{
    buf_added(&line->buf, n);
}

enum line_result line_next(struct line *line, const char **text, size_t *n)
{
    for (;;) {
        size_t len = buf_len(&line->buf);
        const char *start = buf_at(&line->buf);
        const char *newline;
        size_t line_len;

        assert(line->seen <= len);
        if (len == line->seen)
            return LINE_NONE;
        newline = memchr(start + line->seen, '\n', len - line->seen);
        line_len = newline != NULL ? (size_t)(newline - start) : len;
        if (newline == NULL && (line->skipping || line_len > line->max_bytes)) {
            bool told = line->skipping;

            line->skipping = true;
            *text = start;
            *n = line_len;
            line_skip(line, len);
            return told ? LINE_NONE : LINE_TOO_LONG;
        }
        if (newline == NULL) {
            line->seen = len;
            return LINE_NONE;
        }
        /* This only moves an index: the line's bytes stay valid until more are added. */
        line_skip(line, line_len + 1);
        if (line->skipping) {
            line->skipping = false;
            continue;
        }
        *text = start;
        *n = line_len;
        return line_len > line->max_bytes ? LINE_TOO_LONG : LINE_READY;
    }
}

size_t line_rest(const struct line *line, const char **text)
{
    assert(line->seen <= buf_len(&line->buf));
    if (line->skipping)
        return 0;
    *text = buf_at(&line->buf);
    return buf_len(&line->buf);
}

void line_skip(struct line *line, size_t n)
{
    buf_drop(&line->buf, n);
    line->seen = 0;
}

bool line_drop(struct line *line)
{
    bool was_skipping = line->skipping;

    line_reset(line, SIZE_MAX);
    return was_skipping;
}

void line_reset(struct line *line, size_t keep_bytes)
{
    buf_reset(&line->buf, keep_bytes);
    line->seen = 0;
    line->skipping = false;
}

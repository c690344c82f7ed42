#pragma once

/*
 * line - cut a byte stream into lines, without knowing where the bytes come from.
 *
 * Bytes go into the room that line_room() gives, whole lines come out with line_next(). There is
 * no descriptor in here and nothing blocks: a test drives it with string literals.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum line_result {
    LINE_NONE,     /* no whole line yet, feed more */
    LINE_READY,    /* one line handed out */
    LINE_TOO_LONG, /* a line passed max_bytes: its beginning handed out, once; the rest is dropped */
};

/* Invariant: seen <= bytes held. */
struct line {
    struct buf buf;
    size_t seen;      /* bytes at the front already searched: no byte is looked at twice */
    size_t max_bytes; /* longest line accepted, newline not counted */
    bool skipping;    /* inside a line that was too long */
};

void line_init(struct line *line, size_t max_bytes);
void line_done(struct line *line);

/* Room for at least n more bytes; line_added() says how many came. */
char *line_room(struct line *line, size_t n);
void line_added(struct line *line, size_t n);
void line_feed(struct line *line, const char *bytes, size_t n);

/*
 * Hand out the next line as text[0 .. n), newline removed, not NUL-terminated. The text belongs to
 * `line` and lives until the next line_room(), line_feed() or line_reset(). Of a line that is too
 * long these are the first bytes, more than max_bytes.
 */
enum line_result line_next(struct line *line, const char **text, size_t *n);

/* The bytes not handed out yet, the unfinished line at the end of a stream; they stay there. */
size_t line_rest(const struct line *line, const char **text);

/* Drop n of the bytes held at the front; the next line starts behind them. */
void line_skip(struct line *line, size_t n);

/* Forget all bytes; keeps at most keep_bytes of memory. */
void line_reset(struct line *line, size_t keep_bytes);

#pragma once

/*
 * line - cut a byte stream into lines.
 *
 * Bytes go into the room given by line_room(); whole lines come out of line_next(). There is no
 * descriptor in here and nothing blocks: a test drives it with string literals.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum line_result {
    LINE_NONE,     /* no whole line yet, feed more */
    LINE_READY,    /* one line handed out */
    LINE_TOO_LONG, /* a line exceeds max_bytes: its first bytes are handed out, once */
};

/* Invariant: seen <= bytes held. */
struct line {
    struct buf buf;
    size_t seen;      /* bytes at the front already searched for a newline */
    size_t max_bytes; /* longest line accepted, newline not counted */
    bool skipping;    /* inside a line that was too long */
};

void line_init(struct line *line, size_t max_bytes);
void line_done(struct line *line);

/* Room for at least n more bytes; report the number added with line_added(). */
char *line_room(struct line *line, size_t n);
void line_added(struct line *line, size_t n);
void line_feed(struct line *line, const char *bytes, size_t n);

/*
 * Hand out the next line as text[0 .. n), without its newline, not NUL-terminated. The text is
 * borrowed until the next line_room(), line_feed() or line_reset(). For a line that is too long,
 * text is its first bytes, more than max_bytes.
 */
enum line_result line_next(struct line *line, const char **text, size_t *n);

/* The bytes not yet handed out, such as an unfinished last line; they stay held. */
size_t line_rest(const struct line *line, const char **text);

/* Drop n bytes at the front; the next line starts after them. */
void line_skip(struct line *line, size_t n);

/* Drop all bytes; keep at most keep_bytes of memory. */
void line_reset(struct line *line, size_t keep_bytes);

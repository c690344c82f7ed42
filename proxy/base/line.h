#pragma once

/*
 * line - cut a byte stream into lines.
 *
 * Write bytes to the room that line_room() returns; line_next() then hands out whole lines. The
 * caller reads the bytes, so this module needs no descriptor and a test can use string literals.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum line_result {
    LINE_NONE,  /* no whole line yet: add more bytes */
    LINE_READY, /* one line handed out */
    /* returned once for a line longer than max_bytes: its first bytes are handed out, and the rest
     * is dropped */
    LINE_TOO_LONG,
};

/* Invariant: seen <= bytes held. */
struct line {
    struct buf buf;
    size_t seen;      /* bytes at the front already searched for a newline */
    size_t max_bytes; /* longest line accepted, newline not counted */
    bool skipping; /* LINE_TOO_LONG was returned: drop the rest of this line, up to the newline */
};

void line_init(struct line *line, size_t max_bytes);
void line_done(struct line *line);

/* Returns room for at least n more bytes; report the number written to it with line_added(). */
char *line_room(struct line *line, size_t n);
void line_added(struct line *line, size_t n);

/*
 * Hand out the next line as text[0 .. n), without its newline, not NUL-terminated. The text is
 * valid until the next line_room() or line_reset(). If a line is too long, text is its first bytes,
 * and n is more than max_bytes.
 */
enum line_result line_next(struct line *line, const char **text, size_t *n);

/* Set *text to the bytes not yet handed out, such as an unfinished last line, without consuming
 * them. Returns their number. After LINE_TOO_LONG, until that line's newline: returns 0, and leaves
 * *text unchanged. */
size_t line_rest(const struct line *line, const char **text);

/* Drop n bytes at the front; the next line starts after them. */
void line_skip(struct line *line, size_t n);

/* Drop all bytes, and end an unfinished line: the next byte begins a new line. true: the unfinished
 * line was too long, and LINE_TOO_LONG was returned for it. */
bool line_drop(struct line *line);

/* Drop all bytes, and free the memory if it is larger than keep_bytes. */
void line_reset(struct line *line, size_t keep_bytes);

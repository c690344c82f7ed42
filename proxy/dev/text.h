#pragma once

/*
 * text - printf into a buffer, quoting for JSON and for a shell, and the time.
 */

#include <stdint.h>

struct buf;

void text_add(struct buf *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Append a C string as a JSON string. text NULL: append null. */
void text_add_json(struct buf *out, const char *text);
/* Append a C string as one word of a shell's command line: in quotes if it needs them. */
void text_add_word(struct buf *out, const char *text);
/* The buffer's bytes as a C string: adds a NUL that does not count as content. Valid until the
 * buffer changes. */
const char *text_of(struct buf *buf);
/* Unix time in milliseconds. */
uint64_t text_now_ms(void);

#pragma once

/*
 * base64 - decode and encode base64 with OpenSSL. Only this module calls OpenSSL's base64
 * functions.
 *
 * There are two ways to decode. An action's code is large and follows Go's rules: base64_check()
 * checks it, then base64_replace() decodes it in place. base64_decode() does both for a small text,
 * and appends the bytes to a buffer.
 */

#include <stdbool.h>
#include <stddef.h>

struct buf;

/* ---- an action's code ---- */

/* The result of base64_check(). */
struct base64_text {
    size_t n_chars;  /* characters and padding, not line ends or blanks; a multiple of 4 if valid */
    size_t fault_at; /* in an invalid text: the byte offset that Go's decoder reports */
};

/*
 * Check that all of the text is padded standard base64. Line ends and blanks may stand anywhere.
 * Source of the rules and of fault_at: Go's encoding/base64, StdEncoding. Go accepts no blanks; we
 * do, since a shell may have turned line ends into blanks before users paste the text.
 */
bool base64_check(const char *text, size_t n, struct base64_text *found);
/* Decode a valid text, text[0 .. n), whose padding may be missing, to `out`, which may be `text`
 * itself or a place before it in the same memory. Returns the number of bytes written. */
size_t base64_replace(const char *text, size_t n, char *out);
/* Decode the start of a valid text, as much as fits into out. The text has at least one base64
 * character. size: room in out, a multiple of 3, at most 12 KiB. Returns the number of bytes
 * written. */
size_t base64_head(const char *text, size_t n, char *out, size_t size);

/* ---- small texts ---- */

/* Append n bytes as padded base64. */
void base64_encode(struct buf *out, const char *bytes, size_t n);
/* Decode base64 and append the bytes. The padding may be missing, and line ends in the text are
 * skipped. false: text[0 .. n) is invalid, out is unchanged. */
bool base64_decode(struct buf *out, const char *text, size_t n);

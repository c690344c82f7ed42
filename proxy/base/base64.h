#pragma once

/*
 * base64 - decode and encode base64 with OpenSSL; no other file uses that API.
 *
 * Two ways to decode: an action's code is large and follows Go's rules, so it is checked first and
 * then decoded in place; small texts are appended to a buffer.
 */

#include <stdbool.h>
#include <stddef.h>

struct buf;

/* ---- an action's code ---- */

/* The result of a check. */
struct base64_text {
    size_t n_chars;  /* characters with padding, without line ends and blanks; a multiple of 4 */
    size_t fault_at; /* of invalid text: the byte offset that Go's decoder reports */
};

/*
 * Whether all of the text is padded standard base64, with line ends and blanks anywhere. Source:
 * Go's encoding/base64, StdEncoding, and the offsets in its errors. Go accepts no blanks; we do,
 * since users paste what a shell has split.
 */
bool base64_check(const char *text, size_t n, struct base64_text *found);
/* Decode checked text[0 .. n) to `out`, which may be at or before `text`. Returns bytes written. */
size_t base64_replace(const char *text, size_t n, char *out);
/* Decode the start of checked, non-empty text into out. size: room in out, a multiple of 3, at most
 * 12 KiB. Returns the bytes written. */
size_t base64_head(const char *text, size_t n, char *out, size_t size);

/* ---- small texts ---- */

/* Append n bytes as padded base64. */
void base64_encode(struct buf *out, const char *bytes, size_t n);
/* Append the bytes of padded or unpadded base64. false: text[0 .. n) is invalid, out is
 * unchanged. */
bool base64_decode(struct buf *out, const char *text, size_t n);

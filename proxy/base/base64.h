#pragma once

/*
 * base64 - to bytes and from bytes, by OpenSSL; this is the only file that knows it.
 *
 * There are two ways to read it: an action's code is large and Go's rules hold for it, so it is
 * checked first and then decoded where it lies; small texts are appended to a buffer.
 */

#include <stdbool.h>
#include <stddef.h>

struct buf;

/* ---- code ---- */

/* What is known of a text once it was checked. */
struct base64_text {
    size_t n_chars;  /* padding counted, line ends not; a multiple of 4 */
    size_t fault_at; /* of text that is none: the byte that Go's decoder names */
};

/*
 * Whether all of the text is standard base64, padded, with line ends and blanks anywhere.
 * Source: Go's encoding/base64, StdEncoding, which offset is named included; it takes no
 * blanks, but users paste what a shell has split.
 */
bool base64_check(const char *text, size_t n, struct base64_text *found);
/* Decode checked text[0 .. n) to `out`, which may be at or before `text`. Returns bytes written. */
size_t base64_replace(const char *text, size_t n, char *out);
/* Decode the beginning of checked text, up to size bytes, a multiple of 3 and at most 12 KiB; the
 * text is not empty. Returns bytes written. */
size_t base64_head(const char *text, size_t n, char *out, size_t size);

/* ---- small texts ---- */

/* Append n bytes as padded base64. */
void base64_encode(struct buf *out, const char *bytes, size_t n);
/* Append what padded or unpadded base64 stands for. false: text[0 .. n) is none, out as it was. */
bool base64_decode(struct buf *out, const char *text, size_t n);

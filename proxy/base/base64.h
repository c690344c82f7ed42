#pragma once

/*
 * base64 - small texts to and from base64. Code, which is large, has its own way: action/envelope.c.
 */

#include <stdbool.h>
#include <stddef.h>

struct buf;

/* Append n bytes as padded base64. */
void base64_encode(struct buf *out, const char *bytes, size_t n);
/* Append what padded or unpadded base64 stands for. false: text[0 .. n) is none, out as it was. */
bool base64_decode(struct buf *out, const char *text, size_t n);

#pragma once

/*
 * canonical - JSON as a text to compare and to read: members sorted, each on a line of its own.
 */

#include <stddef.h>

/* The caller frees. NULL: text[0 .. n) is no JSON. */
char *canonical_json(const char *text, size_t n);

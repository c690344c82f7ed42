#pragma once

/*
 * canonical - write JSON in a form for comparing and reading: members sorted, each on a line of its
 * own, equal strings and equal numbers written in the same way. Numbers keep all their digits, so
 * two texts in this form are equal if and only if their values are.
 */

#include <stddef.h>

/* The JSON text[0 .. n) in canonical form; the caller frees it. NULL: the text is not JSON. */
char *canonical_json(const char *text, size_t n);

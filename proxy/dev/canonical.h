#pragma once

/*
 * canonical - write JSON in a form for comparing and reading: members sorted, each on a line of its
 * own.
 */

#include <stddef.h>

/* Return text[0 .. n) in that form, for the caller to free. NULL: the text is not JSON. */
char *canonical_json(const char *text, size_t n);

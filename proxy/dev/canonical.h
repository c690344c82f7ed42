#pragma once

/*
 * canonical - write JSON in a form for comparing and reading: members sorted, each on a line of its
 * own.
 */

#include <stddef.h>

/* Rewrite the JSON text[0 .. n): members sorted, each on a line of its own. The caller frees the
 * result. NULL: the text is not JSON. */
char *canonical_json(const char *text, size_t n);

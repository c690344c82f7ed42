#pragma once

/*
 * pieces - cut the input of a fuzz target into texts, one per line.
 */

#include <stddef.h>
#include <string.h>

#include "http/request.h"

static inline struct span cut(const char **text, size_t *n)
{
    const char *end = memchr(*text, '\n', *n);
    struct span part = {*text, end != NULL ? (size_t)(end - *text) : *n};

    *text += part.n + (end != NULL);
    *n -= part.n + (end != NULL);
    return part;
}

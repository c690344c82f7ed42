#pragma once

/*
 * assets - the files of proxy/dev/page/, inside the program: made by assets.py when it is built.
 */

#include <stddef.h>

struct asset {
    const char *name; /* index.html */
    const char *type; /* of its content */
    const char *bytes;
    size_t n;
};

extern const struct asset assets[];
extern const size_t n_assets;

#pragma once

/*
 * assets - the files of proxy/dev/page/, compiled into the program by assets.py.
 */

#include <stddef.h>

struct asset {
    const char *name; /* file name, such as "index.html" */
    const char *type; /* content type */
    const char *bytes;
    size_t n;
};

extern const struct asset assets[];
extern const size_t n_assets;

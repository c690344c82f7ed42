#pragma once

/*
 * tar_name - the names that the pax headers of a tar spell, byte for byte.
 *
 * libarchive converts them to the locale's normal form of Unicode: two names become one.
 */

#include <stddef.h>

struct tar_names {
    char *path; /* owned; NULL: no pax header spells it, or it holds a NUL */
    char *link; /* owned; the target of a link, likewise */
};

/* Read the pax headers in front of an entry. bytes: the archive from the entry's first header on. */
void tar_names_read(struct tar_names *names, const void *bytes, size_t n);
void tar_names_done(struct tar_names *names);

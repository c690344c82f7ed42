#pragma once

/*
 * tar_name - read the names in a tar's pax headers byte for byte.
 *
 * libarchive normalises these names, so that two different ones can become equal.
 */

#include <stddef.h>

struct tar_names {
    char *path; /* owned; NULL: not in a pax header, or it contains a NUL */
    char *link; /* owned; the target of a link; NULL: as for path */
};

/* Read the pax headers in front of an entry. bytes: the archive from these headers on. */
void tar_names_read(struct tar_names *names, const void *bytes, size_t n);
void tar_names_done(struct tar_names *names);

#pragma once

/*
 * tar_name - read the names in the pax headers of a tar, byte for byte.
 *
 * libarchive normalises these names to Unicode NFC, which can make two different names equal.
 */

#include <stddef.h>

struct tar_names {
    char *path; /* owned; the entry's name; NULL: not in a pax header, or it contains a NUL */
    char *link; /* owned; the target of a link; NULL: not in a pax header, or it contains a NUL */
};

/* Read the pax headers in front of an entry. bytes, n: the tar from the first such header on. */
void tar_names_read(struct tar_names *names, const void *bytes, size_t n);
void tar_names_done(struct tar_names *names);

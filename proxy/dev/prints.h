#pragma once

/*
 * prints - a fingerprint of each file's content, kept so that only files that were written since
 * are read again.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define PRINTS_FILE_MAX_BYTES (16u << 20) /* a larger file is compared by size and time */
#define PRINTS_WALK_MAX_BYTES                                                                      \
    (64u << 20) /* most bytes read in one walk; further files are compared by size and time */

struct print {
    uint64_t path; /* hash of the file's path */
    uint64_t stat; /* hash of inode, size and ctime; 0: read the file again */
    uint64_t content;
};

/* Zeroed before use. Two hash tables with open addressing: of the previous walk through the folder,
 * and of the current one. */
struct prints {
    struct print *old; /* owned */
    size_t n_old;      /* places in `old`: a power of two, or 0 */
    struct print *now; /* owned */
    size_t n_now;      /* places in `now` */
    size_t used;       /* places taken in `now` */
    uint64_t left_bytes;
};

/* Begin a walk through the folder: files that it does not meet are forgotten at the next walk. */
void prints_begin(struct prints *prints);
/* The fingerprint of a regular file. info: from stat(), which follows links. */
uint64_t prints_of(struct prints *prints, const char *path, const struct stat *info);
void prints_done(struct prints *prints);

/* Mix bytes into a fingerprint. */
void print_mix(uint64_t *print, const void *bytes, size_t n);

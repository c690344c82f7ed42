#pragma once

/*
 * prints - a fingerprint of each file's content. Fingerprints are kept, so that a file is read
 * again only if it was written since.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define PRINTS_FILE_MAX_BYTES (16u << 20) /* a larger file is compared by size and time */
#define PRINTS_WALK_MAX_BYTES                                                                      \
    (64u << 20) /* most bytes read in one walk; further files are compared by size and time */

#define PRINT_START UINT64_C(14695981039346656037) /* start value of each hash, from FNV-1a */

struct print {
    uint64_t path; /* hash of the file's path */
    uint64_t stat; /* hash of inode, size and ctime; 0: read the file again in the next walk */
    uint64_t content;
};

/* Two hash tables with open addressing: `old` has the files of the previous walk through the
 * folder, `now` those of the current walk. Must be zeroed before use. */
struct prints {
    struct print *old;   /* owned */
    size_t n_old;        /* number of places in `old`: a power of two, or 0 */
    struct print *now;   /* owned */
    size_t n_now;        /* number of places in `now`: a power of two, or 0 */
    size_t used;         /* number of places in `now` that have a file */
    size_t n_missing;    /* number of files in `old` that this walk has not met yet */
    bool is_changed;     /* the last prints_of() met a new file or new content */
    uint64_t left_bytes; /* number of bytes that this walk may still read */
};

/* Begin a walk through the folder. Files that this walk does not meet are forgotten when the next
 * one begins. */
void prints_begin(struct prints *prints);
/* The fingerprint of a regular file's content. info: from stat(), which follows links. */
uint64_t prints_of(struct prints *prints, const char *path, const struct stat *info);
void prints_done(struct prints *prints);

/* Mix the n bytes into the fingerprint *print. */
void print_mix(uint64_t *print, const void *bytes, size_t n);

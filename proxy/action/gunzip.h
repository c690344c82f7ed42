#pragma once

/*
 * gunzip - decompress a gzip block by block.
 *
 * Only one layer is unpacked, and names and comments in headers are skipped: libarchive's own gzip
 * reader would look for further layers inside, and hold a header in memory however long it is.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct gunzip;

bool gunzip_is(const void *bytes, size_t n);
/* bytes: borrowed until gunzip_free(). NULL: out of memory. */
struct gunzip *gunzip_new(const void *bytes, size_t n);
void gunzip_free(struct gunzip **gunzip);

/* Set *block to the next unpacked bytes, valid until the next call. Returns their number; 0: the
 * end; -1: damaged. Concatenated members are one stream, and trailing garbage is ignored, as by
 * gzip -d. */
ssize_t gunzip_next(struct gunzip *gunzip, const void **block);
/* Why gunzip_next() returned -1. */
const char *gunzip_fault(const struct gunzip *gunzip);
/* Unpacked bytes that gunzip_next() has returned so far. */
uint64_t gunzip_n_out(const struct gunzip *gunzip);
/* The first block again, of *n bytes. NULL once gunzip_next() has returned a second one. */
const void *gunzip_first(const struct gunzip *gunzip, size_t *n);

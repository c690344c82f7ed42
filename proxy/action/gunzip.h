#pragma once

/*
 * gunzip - decompress gzip data block by block.
 *
 * libarchive's own gzip reader is not used: it would also unpack gzip inside gzip, and it keeps a
 * header in memory however long it is. This reader unpacks a single layer, and skips the names and
 * comments in headers.
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

/* Set *block to the next unpacked bytes, which are valid until the next call. Returns their number;
 * 0: the end; -1: the input is damaged. Like gzip -d, this unpacks concatenated gzip members as one
 * stream, and ignores whatever follows them. */
ssize_t gunzip_next(struct gunzip *gunzip, const void **block);
/* Why gunzip_next() returned -1. */
const char *gunzip_fault(const struct gunzip *gunzip);
/* Unpacked bytes that gunzip_next() has returned so far. */
uint64_t gunzip_n_out(const struct gunzip *gunzip);
/* The first block that gunzip_next() has returned; *n: its length. NULL: a later block has
 * overwritten the first. */
const void *gunzip_first(const struct gunzip *gunzip, size_t *n);

#pragma once

/*
 * gunzip - the bytes that a gzip holds, block by block.
 *
 * One layer, and what a header says of names and comments is not kept: libarchive's own reader
 * looks for a further layer inside each one, and holds a header in memory however long it is.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct gunzip;

bool gunzip_is(const void *bytes, size_t n);
/* bytes: borrowed until gunzip_free(). NULL: there is no memory. */
struct gunzip *gunzip_new(const void *bytes, size_t n);
void gunzip_free(struct gunzip **gunzip);

/* How many bytes follow at *block, which is good until the next call. 0: the end; -1: it is
 * damaged. Several gzips one behind the other are one, and what follows the last one is left out,
 * as gzip -d has it. */
ssize_t gunzip_next(struct gunzip *gunzip, const void **block);
/* Why it is damaged. */
const char *gunzip_fault(const struct gunzip *gunzip);
/* Bytes handed out so far. */
uint64_t gunzip_n_out(const struct gunzip *gunzip);
/* The first block; only while there was no second one. NULL: there was. */
const void *gunzip_first(const struct gunzip *gunzip, size_t *n);

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
#include <zlib.h>

#define GUNZIP_BLOCK_BYTES 65536

struct gunzip {
    z_stream stream;
    bool ended;        /* the last member is over */
    uint64_t n_out;    /* bytes handed out so far */
    const char *fault; /* why it failed; NULL: it did not */
    unsigned char block[GUNZIP_BLOCK_BYTES];
};

bool gunzip_is(const void *bytes, size_t n);
/* bytes: borrowed until gunzip_close(). false: there is no memory. */
bool gunzip_open(struct gunzip *gunzip, const void *bytes, size_t n);
/* The next bytes, in gunzip->block. 0: the end; -1: it is damaged, see fault. Several gzips one
 * behind the other are one, and what follows the last one is left out, as gzip -d has it. */
ssize_t gunzip_next(struct gunzip *gunzip);
void gunzip_close(struct gunzip *gunzip);

#include "action/gunzip.h"

#include <assert.h>
#include <limits.h>
#include <string.h>
#include <zlib.h>

#include "base/util.h"

#define BLOCK_BYTES 65536
#define WITH_HEADER 16 /* added to zlib's window bits: expect gzip's header and checksum */

struct gunzip {
    z_stream stream;
    bool ended; /* the last gzip member was read to its end */
    uint64_t n_out;
    const char *fault; /* why the input cannot be unpacked; NULL: no fault */
    unsigned char block[BLOCK_BYTES];
};

bool gunzip_is(const void *bytes, size_t n)
{
    const unsigned char *at = bytes;

    return n >= 3 && at[0] == 0x1f && at[1] == 0x8b && at[2] == Z_DEFLATED;
}

struct gunzip *gunzip_new(const void *bytes, size_t n)
{
    struct gunzip *gunzip = xcalloc(1, sizeof(*gunzip));

    assert(n <= UINT_MAX); /* --init-max-bytes limits the code */
    gunzip->stream.next_in = (z_const Bytef *)(uintptr_t)bytes;
    gunzip->stream.avail_in = (uInt)n;
    if (inflateInit2(&gunzip->stream, MAX_WBITS + WITH_HEADER) != Z_OK)
        free(TAKE(gunzip));
    return gunzip;
}

void gunzip_free(struct gunzip **gunzip)
{
    if (*gunzip != NULL)
        (void)inflateEnd(&(*gunzip)->stream);
    free(TAKE(*gunzip));
}

const char *gunzip_fault(const struct gunzip *gunzip)
{
    return gunzip->fault;
}

uint64_t gunzip_n_out(const struct gunzip *gunzip)
{
    return gunzip->n_out;
}

const void *gunzip_first(const struct gunzip *gunzip, size_t *n)
{
    *n = (size_t)gunzip->n_out;
    return gunzip->n_out <= sizeof(gunzip->block) ? gunzip->block : NULL;
}

/* At the end of a gzip member: begin the next one, or note that there is none. */
static void go_on(struct gunzip *gunzip)
{
    const z_stream *stream = &gunzip->stream;

    assert(!gunzip->ended);
    gunzip->ended =
        !gunzip_is(stream->next_in, stream->avail_in) || inflateReset(&gunzip->stream) != Z_OK;
}

ssize_t gunzip_next(struct gunzip *gunzip, const void **block)
{
    z_stream *stream = &gunzip->stream;
    size_t n;

    stream->next_out = gunzip->block;
    stream->avail_out = sizeof(gunzip->block);
    while (!gunzip->ended && gunzip->fault == NULL && stream->avail_out > 0) {
        int result = inflate(stream, Z_NO_FLUSH);

        if (result == Z_STREAM_END)
            go_on(gunzip);
        else if (result == Z_BUF_ERROR)
            gunzip->fault = "truncated gzip input";
        else if (result != Z_OK)
            gunzip->fault = stream->msg != NULL ? stream->msg : "damaged gzip input";
    }
    n = sizeof(gunzip->block) - stream->avail_out;
    assert(n > 0 || gunzip->ended || gunzip->fault != NULL);
    gunzip->n_out += n;
    *block = gunzip->block;
    return n > 0 ? (ssize_t)n : gunzip->fault != NULL ? -1 : 0;
}

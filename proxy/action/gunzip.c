#include "action/gunzip.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#define WITH_HEADER                                                                                \
    16 /* added to the window's size: there is gzip's header, and a checksum behind */

bool gunzip_is(const void *bytes, size_t n)
{
    const unsigned char *at = bytes;

    return n >= 3 && at[0] == 0x1f && at[1] == 0x8b && at[2] == Z_DEFLATED;
}

bool gunzip_open(struct gunzip *gunzip, const void *bytes, size_t n)
{
    memset(gunzip, 0, offsetof(struct gunzip, block));
    assert(n <= UINT_MAX); /* the server has bounded the body */
    gunzip->stream.next_in = (z_const Bytef *)(uintptr_t)bytes;
    gunzip->stream.avail_in = (uInt)n;
    return inflateInit2(&gunzip->stream, MAX_WBITS + WITH_HEADER) == Z_OK;
}

/* The end of a member: is there another one? */
static void go_on(struct gunzip *gunzip)
{
    const z_stream *stream = &gunzip->stream;

    gunzip->ended =
        !gunzip_is(stream->next_in, stream->avail_in) || inflateReset(&gunzip->stream) != Z_OK;
}

ssize_t gunzip_next(struct gunzip *gunzip)
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
    gunzip->n_out += n;
    return n > 0 ? (ssize_t)n : gunzip->fault != NULL ? -1 : 0;
}

void gunzip_close(struct gunzip *gunzip)
{
    (void)inflateEnd(&gunzip->stream);
}

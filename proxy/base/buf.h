#pragma once

/*
 * buf - a byte queue: append at the end, consume at the front.
 */

#include <stddef.h>
#include <stdint.h>

/* Invariant: start <= end <= size; bytes == NULL only while size == 0. */
struct buf {
    char *bytes;  /* owned */
    size_t start; /* first byte still held */
    size_t end;   /* first free byte */
    size_t size;  /* bytes allocated */
};

void buf_done(struct buf *buf);
/* A local buffer that is freed when it goes out of scope: auto_buf struct buf text = {0}; */
#define auto_buf __attribute__((cleanup(buf_done)))

static inline size_t buf_len(const struct buf *buf)
{
    return buf->end - buf->start;
}

/* The first byte still held. Never NULL: memcpy() must not be given NULL, not even for 0 bytes. */
static inline const char *buf_at(const struct buf *buf)
{
    return buf->bytes != NULL ? buf->bytes + buf->start : "";
}

/* Make room for n more bytes; returns where to write them. The caller bounds n. */
char *buf_room(struct buf *buf, size_t n);
/* Count n bytes that the caller has written into the room. */
void buf_added(struct buf *buf, size_t n);
void buf_add(struct buf *buf, const void *bytes, size_t n);
void buf_add_text(struct buf *buf, const char *text);
/* Append all bytes of fd up to its end, blocking. Reading stops once buf holds more than bytes_max
 * bytes; the caller checks for that. stop_fd: a descriptor that ends the wait with EINTR once it is
 * readable; -1: none. Returns 0, or -1 with errno. */
int buf_read_all(struct buf *buf, int fd, uint64_t bytes_max, int stop_fd);
/* Drop n bytes from the front. */
void buf_drop(struct buf *buf, size_t n);
/* Drop all bytes; memory above keep_bytes is freed. */
void buf_reset(struct buf *buf, size_t keep_bytes);

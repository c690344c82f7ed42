#pragma once

/*
 * buf - a byte queue: append at the end, consume at the front.
 */

#include <stddef.h>
#include <stdint.h>

/* Invariant: start <= end <= size; bytes == NULL only while size == 0. */
struct buf {
    char *bytes;  /* owned */
    size_t start; /* offset of the first byte still held */
    size_t end;   /* offset of the first free byte */
    size_t size;  /* bytes allocated */
};

void buf_done(struct buf *buf);
/* A local buffer that is freed when it goes out of scope: auto_buf struct buf text = {0}; */
#define auto_buf __attribute__((cleanup(buf_done)))

static inline size_t buf_len(const struct buf *buf)
{
    return buf->end - buf->start;
}

/* Points to the first byte still held. Never NULL: memcpy() must not be given NULL, not even for 0
 * bytes. */
static inline const char *buf_at(const struct buf *buf)
{
    return buf->bytes != NULL ? buf->bytes + buf->start : "";
}

/* Make room for n more bytes and return where to write them. If a client or an action determines n,
 * first check n against a limit: this function aborts when memory runs out. */
char *buf_room(struct buf *buf, size_t n);
/* Append n bytes that the caller has already written to the room made by buf_room(). */
void buf_added(struct buf *buf, size_t n);
void buf_add(struct buf *buf, const void *bytes, size_t n);
void buf_add_text(struct buf *buf, const char *text);
/* Read fd up to its end, blocking, and append what is read. Reading also stops, without an error,
 * once buf holds more than bytes_max bytes; the caller checks for that. stop_fd: as soon as this
 * descriptor is readable, reading fails with EINTR; -1: none. Returns 0, or -1 with errno. */
int buf_read_all(struct buf *buf, int fd, uint64_t bytes_max, int stop_fd);
/* Drop n bytes from the front. */
void buf_drop(struct buf *buf, size_t n);
/* Drop all bytes, and free the memory if it is larger than keep_bytes. */
void buf_reset(struct buf *buf, size_t keep_bytes);

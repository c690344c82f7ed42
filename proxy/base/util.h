#pragma once

/*
 * util - release bound to the block, hand-over by name, and the memory calls that cannot fail.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define auto_free __attribute__((cleanup(auto_free_)))
#define auto_fd   __attribute__((cleanup(fd_close)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static inline void auto_free_(void *variable)
{
    void *p;

    memcpy(&p, variable, sizeof(p)); /* the variable may be any pointer type */
    free(p);
}

/* Close *fd unless it is -1; always leaves -1 behind. */
static inline void fd_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* Hand a pointer over: yields its value and leaves NULL behind. */
#define TAKE(p)                                                                                    \
    __extension__({                                                                                \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

/* The struct that holds `member`, from the member's address. */
#define container_of(ptr, type, member)                                                            \
    __extension__({                                                                                \
        __typeof__(((type *)0)->member) *member_ = (ptr);                                          \
        (type *)(void *)((char *)member_ - offsetof(type, member));                                \
    })

/*
 * Memory for sizes that we chose or bounded: abort when there is none, as libh2o does beneath us.
 * A size that comes from outside is checked against its bound before it gets here.
 */
void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *text, size_t n) __attribute__((malloc, returns_nonnull));
/* printf into fresh memory; the caller frees. */
char *xasprintf(const char *fmt, ...)
    __attribute__((malloc, returns_nonnull, format(printf, 1, 2)));

/* A pipe or terminal opened once more, non-blocking, with a file description that nobody else has:
 * O_NONBLOCK on fd itself would be everybody's who shares it. access_mode: O_RDONLY or O_WRONLY.
 * -1 with errno (EINVAL: it is neither). */
int fd_reopen(int fd, int access_mode);
/*
 * A file that an action owns, for reading: whatever it has put there, a pipe, a device, a terminal,
 * a link, a lease, this neither waits nor reads anything but a regular file. path: below dir, or
 * absolute. With the action's rights: base/privileges.h. -1 with errno (EINVAL: it is no file).
 */
int fd_open_file(int dir, const char *path);
/* Write all n bytes to a blocking descriptor. 0, or -1 with errno. */
int fd_write_all(int fd, const void *bytes, size_t n);

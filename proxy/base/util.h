#pragma once

/*
 * util - cleanup at the end of a scope, transfer of ownership, allocations that cannot fail, and
 * small helpers for files.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define auto_free __attribute__((cleanup(auto_free_)))
#define auto_fd   __attribute__((cleanup(fd_close)))
#define auto_file __attribute__((cleanup(auto_file_)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static inline void auto_free_(void *variable)
{
    void *p;

    memcpy(&p, variable, sizeof(p)); /* memcpy(), since the variable may have any pointer type */
    free(p);
}

static inline void auto_file_(FILE **file)
{
    if (*file != NULL)
        (void)fclose(*file);
}

/* Close *fd unless it is -1, and set it to -1. */
static inline void fd_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* Transfer a descriptor: returns *fd and sets it to -1. */
static inline int fd_take(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

/* Transfer a pointer: yields the value of p and sets p to NULL. */
#define TAKE(p)                                                                                    \
    __extension__({                                                                                \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

#define BIT(n) (1u << (n))

/* The struct of this type that contains `member`. ptr: the address of that member. scripts/check.sh
 * defines this differently for cppcheck, which takes the 0 below for a use of a null pointer. */
#ifndef container_of
#define container_of(ptr, type, member)                                                            \
    __extension__({                                                                                \
        __typeof__(((type *)0)->member) *member_ = (ptr);                                          \
        (type *)(void *)((char *)member_ - offsetof(type, member));                                \
    })
#endif

/*
 * Allocations that abort when out of memory, as libh2o does. If a client or an action determines a
 * size, first check the size against a limit.
 */
void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *text, size_t n) __attribute__((malloc, returns_nonnull));
/* printf() into newly allocated memory, which the caller frees. */
char *xasprintf(const char *fmt, ...)
    __attribute__((malloc, returns_nonnull, format(printf, 1, 2)));

/* Whether `word` is one of the words of `list`, with a separator between them. */
bool text_has_word(const char *list, char separator, const char *word);

/* The value of an environment variable; NULL: it is not set, or it is empty. Apache's images set a
 * variable to the empty text to switch a feature off. */
const char *env_text(const char *name);
/* Whether the environment holds this very string "NAME=value", as after putenv(text), not a copy of
 * it. */
bool env_holds(const char *text);

/* Replace each byte `from` among n bytes by `to`, which must be another byte. */
static inline void bytes_replace(char *bytes, size_t n, char from, char to)
{
    for (char *at = bytes; (at = memchr(at, from, n - (size_t)(at - bytes))) != NULL;)
        *at = to;
}

/* The value of a hexadecimal digit; -1: c is no such digit. */
static inline int hex_value(uint8_t c)
{
    /* Inverted, because ~0 is -1: what is left out is no digit. */
    static const int8_t inverted[256] = {
        ['0'] = ~0,  ['1'] = ~1,  ['2'] = ~2,  ['3'] = ~3,  ['4'] = ~4,  ['5'] = ~5,
        ['6'] = ~6,  ['7'] = ~7,  ['8'] = ~8,  ['9'] = ~9,  ['A'] = ~10, ['B'] = ~11,
        ['C'] = ~12, ['D'] = ~13, ['E'] = ~14, ['F'] = ~15, ['a'] = ~10, ['b'] = ~11,
        ['c'] = ~12, ['d'] = ~13, ['e'] = ~14, ['f'] = ~15};

    return ~inverted[c];
}

/* Reopen a pipe or terminal, non-blocking, with a file description of our own: setting O_NONBLOCK
 * on fd itself would affect every process that shares it. access_mode: O_RDONLY or O_WRONLY. -1
 * with errno (EINVAL: fd is neither a pipe nor a terminal). */
int fd_reopen(int fd, int access_mode);
/*
 * Open an action's file for reading. Whatever the action put there (a FIFO, a device, a terminal, a
 * link, a lease), this never blocks and accepts only a regular file. path: below dir, or absolute.
 * Call with the action's rights: privileges_borrow(). -1 with errno (EINVAL: not a regular file).
 */
int fd_open_file(int dir, const char *path);
/* Open dir/name for reading. NULL with errno. */
FILE *file_open(const char *dir, const char *name);
/* Read a small file, such as those of /proc, as text: at most size - 1 bytes. false: there is no
 * such file, or it is empty; text is then "". */
bool file_read_text(const char *path, char *text, size_t size);
/* Write all n bytes to a blocking descriptor. 0, or -1 with errno. */
int fd_write_all(int fd, const void *bytes, size_t n);

#include "base/util.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL_BYTES 1024

static void *or_die(void *p)
{
    if (p == NULL) {
        static const char text[] = "whiskloop: out of memory\n";

        (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
        abort();
    }
    return p;
}

void *xmalloc(size_t n)
{
    return or_die(malloc(n > 0 ? n : 1));
}

void *xcalloc(size_t n, size_t size)
{
    void *p;

    /* For a small block glibc's calloc() takes several times as long as malloc() and memset(): it
     * bypasses malloc()'s cache. */
    if (n <= SMALL_BYTES && size <= SMALL_BYTES && n * size <= SMALL_BYTES) {
        p = xmalloc(n * size);
        return memset(p, 0, n * size);
    }
    return or_die(calloc(n, size));
}

void *xrealloc(void *p, size_t n)
{
    return or_die(realloc(p, n > 0 ? n : 1));
}

char *xstrdup(const char *text)
{
    return xstrndup(text, strlen(text));
}

char *xstrndup(const char *text, size_t n)
{
    char *copy = xmalloc(n + 1);

    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

char *xasprintf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    int n;

    va_start(args, fmt);
    n = vasprintf(&text, fmt, args);
    va_end(args);
    return or_die(n < 0 ? NULL : text);
}

bool text_has_word(const char *list, char separator, const char *word)
{
    size_t n = strlen(word);

    for (;; list++) {
        const char *end = strchrnul(list, separator);

        if ((size_t)(end - list) == n && memcmp(list, word, n) == 0)
            return true;
        if (*end == '\0')
            return false;
        list = end;
    }
}

const char *env_text(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

bool env_holds(const char *text)
{
    for (char **at = environ; at != NULL && *at != NULL; at++)
        if (*at == text)
            return true;
    return false;
}

int fd_open_file(int dir, const char *path)
{
    struct stat info;
    int fd = openat(dir, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);

    if (fd < 0)
        return -1;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode))
        return fd;
    fd_close(&fd);
    errno = EINVAL;
    return -1;
}

FILE *file_open(const char *dir, const char *name)
{
    auto_free char *path = xasprintf("%s/%s", dir, name);

    return fopen(path, "re");
}

bool file_read_text(const char *path, char *text, size_t size)
{
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, size - 1) : -1;

    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

int fd_write_all(int fd, const void *bytes, size_t n)
{
    const char *at = bytes;

    while (n > 0) {
        ssize_t done = write(fd, at, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        at += done;
        n -= (size_t)done;
    }
    return 0;
}

int fd_reopen(int fd, int access_mode)
{
    struct stat info;
    char path[32];

    assert(access_mode == O_RDONLY || access_mode == O_WRONLY);
    if (fstat(fd, &info) < 0)
        return -1;
    if (!S_ISFIFO(info.st_mode) && !isatty(fd)) {
        errno = EINVAL;
        return -1;
    }
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, access_mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

#include "dev/prints.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"

#define PLACES_MIN 64
#define READ_BYTES 65536
#define FRESH_NS   UINT64_C(200000000) /* two writes this close may give a file the same ctime */
#define SECOND_NS  UINT64_C(1000000000)

/* The hash FNV-1a, but for eight bytes at a time. */
void print_mix(uint64_t *print, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;

    for (; n >= sizeof(uint64_t); n -= sizeof(uint64_t), at += sizeof(uint64_t)) {
        uint64_t eight;

        memcpy(&eight, at, sizeof(eight));
        *print = (*print ^ eight) * UINT64_C(1099511628211);
        /* A multiplication carries upwards only: mix the high bits into the low ones. */
        *print ^= *print >> 32;
    }
    for (; n > 0; n--, at++)
        *print = (*print ^ *at) * UINT64_C(1099511628211);
}

/* ---- the tables ---- */

static struct print *find(struct print *places, size_t n, uint64_t path)
{
    size_t at = (size_t)path & (n - 1);

    assert(n > 0);
    assert((n & (n - 1)) == 0);
    while (places[at].path != 0 && places[at].path != path)
        at = (at + 1) & (n - 1);
    return &places[at];
}

static void grow(struct prints *prints)
{
    size_t n = prints->n_now > 0 ? 2 * prints->n_now : PLACES_MIN;
    struct print *places = xcalloc(n, sizeof(*places));

    for (size_t i = 0; i < prints->n_now; i++)
        if (prints->now[i].path != 0)
            *find(places, n, prints->now[i].path) = prints->now[i];
    free(prints->now);
    prints->now = places;
    prints->n_now = n;
}

static void keep(struct prints *prints, const struct print *print)
{
    struct print *place;

    assert(print->path != 0);
    if (2 * prints->used >= prints->n_now)
        grow(prints);
    assert(prints->used < prints->n_now); /* the loop in find() needs a free place to end */
    place = find(prints->now, prints->n_now, print->path);
    prints->used += place->path == 0;
    *place = *print;
}

/* ---- a file ---- */

/* Mix the file's bytes into *content, and subtract their number from *left_bytes, at most down to
 * 0. false: the file was not read to its end. */
static bool read_content(const char *path, uint64_t *content, uint64_t *left_bytes)
{
    static unsigned char bytes[READ_BYTES]; /* static to spare the stack; only one thread uses it */
    auto_fd int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    uint64_t n_read = 0;
    ssize_t n = -1;

    while (fd >= 0 && (n = read(fd, bytes, sizeof(bytes))) > 0) {
        print_mix(content, bytes, (size_t)n);
        n_read += (uint64_t)n;
        *left_bytes -= *left_bytes < (uint64_t)n ? *left_bytes : (uint64_t)n;
        if (n_read > PRINTS_FILE_MAX_BYTES)
            return false;
    }
    print_mix(content, &n_read, sizeof(n_read));
    return n == 0;
}

static bool is_fresh(const struct stat *info)
{
    struct timespec now;
    uint64_t at_ns = (uint64_t)info->st_ctim.tv_sec * SECOND_NS + (uint64_t)info->st_ctim.tv_nsec;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return at_ns + FRESH_NS > (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

uint64_t prints_of(struct prints *prints, const char *path, const struct stat *info)
{
    struct print print = {.path = PRINT_START, .stat = 1};
    const struct print *before = NULL;

    assert(S_ISREG(info->st_mode));
    print_mix(&print.path, path, strlen(path));
    if (print.path == 0) /* 0 marks a free place in the tables */
        print.path = 1;
    print_mix(&print.stat, &info->st_ino, sizeof(info->st_ino));
    print_mix(&print.stat, &info->st_size, sizeof(info->st_size));
    print_mix(&print.stat, &info->st_ctim, sizeof(info->st_ctim));
    if (prints->n_old > 0)
        before = find(prints->old, prints->n_old, print.path);
    if (before != NULL && before->path == 0)
        before = NULL;
    prints->n_missing -= before != NULL;
    prints->is_changed = false;
    if (before != NULL && before->stat == print.stat) {
        keep(prints, before);
        return before->content;
    }
    if ((uint64_t)info->st_size > PRINTS_FILE_MAX_BYTES ||
        (uint64_t)info->st_size > prints->left_bytes ||
        !read_content(path, &print.content, &prints->left_bytes))
        print.content = print.stat;
    prints->is_changed = before == NULL || before->content != print.content;
    if (is_fresh(info))
        print.stat = 0;
    keep(prints, &print);
    return print.content;
}

/* ---- walks ---- */

void prints_begin(struct prints *prints)
{
    free(prints->old);
    prints->old = TAKE(prints->now);
    prints->n_old = prints->n_now;
    prints->n_missing = prints->used;
    prints->n_now = prints->used = 0;
    prints->left_bytes = PRINTS_WALK_MAX_BYTES;
}

void prints_done(struct prints *prints)
{
    free(prints->old);
    free(prints->now);
    memset(prints, 0, sizeof(*prints));
}

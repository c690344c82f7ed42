#pragma once

/*
 * unpacked - unpack anything; nothing may change beside the folder, no bound may be passed.
 *
 * A canary beside the folder is watched; the folder is made anew each time.
 * As libFuzzer runs this as whoever starts it, run it in a container when that is root.
 */

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "action/store.h"
#include "action/unpack.h"
#include "base/err.h"
#include "base/util.h"

#define BYTES_MAX   65536
#define ENTRIES_MAX 32

static const char canary_text[] = "alive";

static char *outer; /* made on the first call, used until the fuzzer ends */

static void remove_outer(void)
{
    (void)store_remove_tree(outer, 0);
}

static char *make_outer(void)
{
    char path[] = "/tmp/whisk-fuzz-XXXXXX";
    auto_free char *canary = NULL;
    int fd;

    if (mkdtemp(path) == NULL)
        abort();
    canary = xasprintf("%s/canary", path);
    fd = open(canary, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    if (fd < 0 || fd_write_all(fd, canary_text, sizeof(canary_text)) < 0)
        abort();
    fd_close(&fd);
    return xstrdup(path);
}

static void check_canary(void)
{
    auto_free char *path = xasprintf("%s/canary", outer);
    auto_fd int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    char text[sizeof(canary_text) + 1];
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || (st.st_mode & 07777) != 0755 || st.st_nlink != 1)
        abort();
    if (read(fd, text, sizeof(text)) != (ssize_t)sizeof(canary_text) ||
        memcmp(text, canary_text, sizeof(canary_text)) != 0)
        abort();
}

/* The canary and the folder, and nothing else. */
static void check_neighbours(void)
{
    DIR *items = opendir(outer);
    unsigned n = 0;

    if (items == NULL)
        abort();
    while (readdir(items) != NULL)
        n++;
    (void)closedir(items);
    if (n != 4) /* with "." and ".." */
        abort();
}

static void try_unpack(const uint8_t *bytes, size_t n)
{
    static int home = -1; /* libFuzzer's working folder: its corpus may be named relative to it */
    const struct unpack_limits limits = {.bytes_max = BYTES_MAX, .entries_max = ENTRIES_MAX};
    auto_free char *in = NULL;
    struct err err = {0};

    if (outer == NULL) {
        outer = make_outer();
        (void)atexit(remove_outer);
        home = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    in = xasprintf("%s/in", outer);
    if (mkdir(in, 0755) < 0)
        abort();
    if (unpack_archive(in, bytes, n, &limits, NULL, &err) < 0 && err.kind == ERR_NONE)
        abort();
    check_canary();
    check_neighbours();
    if (fchdir(home) < 0 || store_remove_tree(in, 0) != 0)
        abort();
}

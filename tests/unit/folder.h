#pragma once

/* folder - a temporary folder per test: outer/, with in/ for the code and room to watch beside. */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "action/store.h"
#include "base/util.h"

struct folder {
    char *outer; /* owned, absolute */
    char *in;    /* owned, absolute */
};

static inline void folder_make(struct folder *folder)
{
    char path[] = "/tmp/whisk-test-XXXXXX";

    (void)umask(022);
    folder->outer = xstrdup(mkdtemp(path) != NULL ? path : "");
    folder->in = xasprintf("%s/in", folder->outer);
    (void)mkdir(folder->in, 0755);
}

static inline void folder_remove(struct folder *folder)
{
    (void)!chdir("/");
    (void)store_remove_tree(folder->outer, 0);
    free(folder->outer);
    free(folder->in);
}

/* set_up of a fixture whose first member is its folder: that is made, the rest is zero. */
static inline void *folder_set_up(void **state, size_t size)
{
    *state = xcalloc(1, size);
    folder_make(*state);
    return *state;
}

/* ... and its tear_down, the last of what is to be done there. */
static inline int folder_tear_down(void **state)
{
    folder_remove(*state);
    free(*state);
    return 0;
}

static inline void folder_write(const char *dir, const char *name, const char *text, mode_t mode)
{
    auto_free char *path = xasprintf("%s/%s", dir, name);
    auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    (void)fd_write_all(fd, text, strlen(text));
    (void)fchmod(fd, mode);
}

/* What a file holds, at most 999 bytes; NULL when there is none. The text lives until next time. */
static inline const char *folder_read(const char *dir, const char *name)
{
    static char text[1000];
    auto_free char *path = xasprintf("%s/%s", dir, name);
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

    if (n < 0)
        return NULL;
    text[n] = '\0';
    return text;
}

/* Type and mode bits without following links, 0 when there is nothing. */
static inline unsigned folder_mode(const char *dir, const char *name)
{
    auto_free char *path = xasprintf("%s/%s", dir, name);
    struct stat st;

    return lstat(path, &st) == 0 ? (unsigned)st.st_mode : 0;
}

static inline unsigned folder_count(const char *dir)
{
    DIR *items = opendir(dir);
    struct dirent *item;
    unsigned n = 0;

    while (items != NULL && (item = readdir(items)) != NULL)
        n += strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0 ? 1 : 0;
    if (items != NULL)
        (void)closedir(items);
    return n;
}

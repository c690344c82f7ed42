/*
 * A version is staged beside the running one and becomes real by one rename, so whoever looks at
 * BASE/N/bin sees all of it or nothing. Numbers are scanned once, when the store is opened, and
 * then only counted up: a failed /init leaves a gap, and a path never means two different actions.
 */

#include "action/store.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/util.h"

#define STORE_NUMBER_MAX   999999999U /* nine digits: fits an unsigned and is never reached */
#define STORE_STAGE_TRIES  100        /* numbers that another proxy in the same base may take */
#define REMOVE_FOLDER_NAME ".remove-%u"

/* ---- removing a tree ---- */

/* Never through a link: an action may put one in the place of any folder of its own. */
static DIR *open_folder(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;

    if (folder == NULL)
        fd_close(&fd);
    return folder; /* owns fd */
}

static bool is_self_or_parent(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Unlink the files of root/name and move its folders up into root, where their turn comes.
 * True when anything has changed for the better. */
static bool flatten(int root, const char *name, unsigned *n_tried)
{
    bool moved_some = false;
    struct dirent *item;
    DIR *folder;
    int fd;

    (void)fchmodat(root, name, 0700, AT_SYMLINK_NOFOLLOW); /* an action may have locked it */
    folder = open_folder(root, name);
    if (folder == NULL)
        return false;
    fd = dirfd(folder);
    while ((item = readdir(folder)) != NULL) {
        char moved[sizeof(REMOVE_FOLDER_NAME) + 10];

        if (is_self_or_parent(item->d_name) || unlinkat(fd, item->d_name, 0) == 0)
            continue;
        /* Moving a folder rewrites its "..", so it must be writable itself. A name that is taken
         * fails here and has another number in the next round. */
        (void)fchmodat(fd, item->d_name, 0700, AT_SYMLINK_NOFOLLOW);
        (void)snprintf(moved, sizeof(moved), REMOVE_FOLDER_NAME, ++*n_tried);
        if (renameat(fd, item->d_name, root, moved) == 0)
            moved_some = true;
    }
    (void)closedir(folder);
    return unlinkat(root, name, AT_REMOVEDIR) == 0 || moved_some;
}

/*
 * One level deep at any time, whatever the depth of the tree: no recursion over what an action
 * made, no path that grows too long, two descriptors. Each folder is moved once.
 */
int store_remove_tree(const char *dir)
{
    unsigned n_tried = 0;
    bool progress = true;
    DIR *root;

    assert(dir[0] == '/');
    (void)chmod(dir, 0700);
    root = open_folder(AT_FDCWD, dir);
    if (root == NULL)
        return -errno;
    while (progress) {
        struct dirent *item;

        progress = false;
        rewinddir(root);
        while ((item = readdir(root)) != NULL) {
            if (is_self_or_parent(item->d_name))
                continue;
            if (unlinkat(dirfd(root), item->d_name, 0) == 0 ||
                flatten(dirfd(root), item->d_name, &n_tried))
                progress = true;
        }
    }
    (void)closedir(root);
    return rmdir(dir) == 0 ? 0 : -errno;
}

/* ---- the base ---- */

/* Make each missing folder of an absolute or relative path. What exists is not looked at here:
 * a file in the way is found by the next mkdir() or by the scan. */
static int make_folders(const char *dir, struct err *err)
{
    auto_free char *path = xstrdup(dir);
    char *at = path;

    while (*at != '\0') {
        char kept;

        at += strspn(at, "/");
        at += strcspn(at, "/");
        kept = *at;
        *at = '\0';
        if (mkdir(path, 0755) < 0 && errno != EEXIST && errno != EISDIR)
            return err_set(err, ERR_SYSTEM, errno, "cannot make folder \"%s\": %s", path,
                           strerror(errno));
        *at = kept;
    }
    return 0;
}

static char *make_temporary(struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    char *path = xasprintf("%s/whiskloop-XXXXXX", tmp != NULL && tmp[0] == '/' ? tmp : "/tmp");

    /* 0711: workers that run as another user must be able to pass through, not to list. */
    if (mkdtemp(path) != NULL && chmod(path, 0711) == 0)
        return path;
    (void)err_set(err, ERR_SYSTEM, errno, "cannot make temporary folder \"%s\": %s", path,
                  strerror(errno));
    free(path);
    return NULL;
}

/* The number that a name spells, 0 when it spells none. */
static unsigned number_of(const char *name)
{
    unsigned long number;

    if (name[0] == '\0' || strlen(name) > 9 || name[strspn(name, "0123456789")] != '\0')
        return 0;
    number = strtoul(name, NULL, 10);
    assert(number <= STORE_NUMBER_MAX);
    return (unsigned)number;
}

/* Whatever bears a number takes it, be it a folder or a file: BASE/N could not be made there. */
static int scan(struct store *store, struct err *err)
{
    DIR *folder = opendir(store->base);
    struct dirent *item;

    if (folder == NULL)
        return err_set(err, ERR_SYSTEM, errno, "cannot read folder \"%s\": %s", store->base,
                       strerror(errno));
    while ((item = readdir(folder)) != NULL) {
        unsigned number = number_of(item->d_name);

        if (number > store->last)
            store->last = number;
    }
    (void)closedir(folder);
    return 0;
}

int store_open(struct store *store, const char *dir, struct err *err)
{
    bool temporary = dir == NULL || dir[0] == '\0';
    auto_free char *made = NULL;

    memset(store, 0, sizeof(*store));
    if (temporary && (made = make_temporary(err)) == NULL)
        return -1;
    store->made = !temporary && access(dir, F_OK) < 0;
    if (!temporary && make_folders(dir, err) < 0)
        return -1;
    store->base = realpath(temporary ? made : dir, NULL);
    if (store->base == NULL)
        return err_set(err, ERR_SYSTEM, errno, "cannot find folder \"%s\": %s",
                       temporary ? made : dir, strerror(errno));
    store->temporary = temporary;
    if (scan(store, err) < 0) {
        store_close(store);
        return -1;
    }
    return 0;
}

void store_close(struct store *store)
{
    if (store->temporary && store->base != NULL)
        (void)store_remove_tree(store->base); /* what is left is in the temporary folder anyway */
    if (store->made && store->base != NULL)
        (void)rmdir(store->base);
    free(store->base);
    memset(store, 0, sizeof(*store));
}

/* ---- versions ---- */

char *store_path(const struct store *store, unsigned number, const char *part)
{
    assert(store->base != NULL);
    return xasprintf("%s/%u%s%s", store->base, number, part[0] != '\0' ? "/" : "", part);
}

static int make_folder(const char *path, struct err *err)
{
    if (mkdir(path, 0755) < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot make folder \"%s\": %s", path,
                       strerror(errno));
    return 0;
}

/* Make BASE/N, for the first N that nobody has. */
static int make_version(struct store *store, struct err *err)
{
    unsigned tries = STORE_STAGE_TRIES;

    while (tries-- > 0 && store->last < STORE_NUMBER_MAX) {
        auto_free char *path = store_path(store, ++store->last, "");

        if (make_folder(path, err) == 0)
            return 0;
        if (err->os != EEXIST)
            return -1;
    }
    return err_set(err, ERR_SYSTEM, EEXIST,
                   "cannot make a version folder in \"%s\": numbers up to %u are taken; empty it",
                   store->base, store->last);
}

int store_stage(struct store *store, unsigned *number, struct err *err)
{
    auto_free char *src = NULL;

    if (make_version(store, err) < 0)
        return -1;
    src = store_path(store, store->last, "src");
    if (make_folder(src, err) < 0)
        return -1;
    *number = store->last;
    return 0;
}

int store_commit(struct store *store, unsigned number, struct err *err)
{
    auto_free char *src = store_path(store, number, "src");
    auto_free char *bin = store_path(store, number, "bin");

    assert(number > 0 && number <= store->last);
    if (rename(src, bin) < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot rename \"%s\" to \"%s\": %s", src, bin,
                       strerror(errno));
    return 0;
}

int store_make_bin(struct store *store, unsigned number, struct err *err)
{
    auto_free char *bin = store_path(store, number, "bin");

    assert(number > 0 && number <= store->last);
    return make_folder(bin, err);
}

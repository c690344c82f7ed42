/*
 * The code of version N is written to BASE/N/src while another version may be running. One rename
 * makes this folder the complete BASE/N/bin; if the code must be compiled, the compiler fills
 * BASE/N/bin instead. N counts up from the highest number found in BASE when the store is opened.
 * The number of a failed /init is not used again, so a path never refers to two different actions.
 */

#include "action/store.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/child.h"
#include "base/err.h"
#include "base/kin.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"

#define STORE_NUMBER_MAX   999999999U /* has nine digits, so it fits an unsigned; never reached */
#define STORE_STAGE_TRIES  100        /* most numbers to try, if another proxy in BASE takes some */
#define REMOVE_MAX_S       120 /* time for a child to remove a folder; 100,000 files take 10 s */
#define TEMPORARY_NAME     "whiskloop-XXXXXX" /* mkdtemp() replaces each X */
#define TEMPORARY_PATTERN  "whiskloop-??????"
#define TEMPORARY_TRIES    10
#define LOCK_NAME          ".lock"
#define LEFT_MAX           100 /* most folders of dead proxies to remove when a proxy starts */
#define REMOVE_FOLDER_NAME ".remove-%u"

/* ---- removing a tree ---- */

/* Open a folder, but never through a link: an action may replace any of its folders by a link. */
static DIR *open_folder(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;

    if (folder == NULL)
        fd_close(&fd);
    return folder; /* which now owns fd */
}

static bool is_self_or_parent(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Unlink the files in folder root/name, move its subfolders up into root, to be emptied later, and
 * remove the folder. True: the folder is removed, or a subfolder was moved. */
static bool flatten(int root, const char *name, unsigned *n_tried, uint64_t until_ns)
{
    bool moved_some = false;
    struct dirent *item;
    DIR *folder;
    int fd;

    /* The action may have removed the folder's permissions. */
    (void)fchmodat(root, name, 0700, AT_SYMLINK_NOFOLLOW);
    folder = open_folder(root, name);
    if (folder == NULL)
        return false;
    fd = dirfd(folder);
    while (loop_clock_ns() < until_ns && (item = readdir(folder)) != NULL) {
        char moved[sizeof(REMOVE_FOLDER_NAME) + 10];

        if (is_self_or_parent(item->d_name) || unlinkat(fd, item->d_name, 0) == 0)
            continue;
        /* A folder must be writable to be moved, because its ".." changes. If the new name is
         * taken, the rename fails, and the next round tries another number. */
        (void)fchmodat(fd, item->d_name, 0700, AT_SYMLINK_NOFOLLOW);
        (void)snprintf(moved, sizeof(moved), REMOVE_FOLDER_NAME, ++*n_tried);
        if (renameat(fd, item->d_name, root, moved) == 0)
            moved_some = true;
    }
    (void)closedir(folder);
    return unlinkat(root, name, AT_REMOVEDIR) == 0 || moved_some;
}

/*
 * Each folder is moved up to the top once and emptied there. So a tree of any depth needs no
 * recursion, no path that may grow too long, and only two descriptors.
 */
int store_remove_tree(const char *dir, uint64_t most_ms)
{
    uint64_t until_ns = most_ms > 0 ? loop_clock_ns() + most_ms * 1000000 : UINT64_MAX;
    unsigned n_tried = 0;
    bool progress = true;
    DIR *root;

    assert(dir[0] == '/');
    (void)fchmodat(AT_FDCWD, dir, 0700, AT_SYMLINK_NOFOLLOW);
    root = open_folder(AT_FDCWD, dir);
    if (root == NULL)
        return -errno;
    while (progress && loop_clock_ns() < until_ns) {
        struct dirent *item;

        progress = false;
        rewinddir(root);
        while (loop_clock_ns() < until_ns && (item = readdir(root)) != NULL) {
            if (is_self_or_parent(item->d_name))
                continue;
            if (unlinkat(dirfd(root), item->d_name, 0) == 0 ||
                flatten(dirfd(root), item->d_name, &n_tried, until_ns))
                progress = true;
        }
    }
    (void)closedir(root);
    if (rmdir(dir) == 0)
        return 0;
    return loop_clock_ns() < until_ns ? -errno : -ETIMEDOUT;
}

pid_t store_remove_in_child(const char *dir)
{
    pid_t pid;

    assert(dir[0] == '/');
    pid = fork();
    if (pid > 0)
        kin_spare(pid);
    if (pid != 0)
        return pid;
    child_prepare(STDERR_FILENO + 1);
    (void)alarm(REMOVE_MAX_S);
    _exit(store_remove_tree(dir, 0) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* ---- the folder BASE ---- */

/* Make each missing folder of a path. Existing entries are not checked: if one is a file, the next
 * mkdir() fails, or the opendir() in scan(). */
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
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            return err_set(err, ERR_SYSTEM, errno, "cannot make folder \"%s\": %s", path,
                           strerror(errno));
        *at = kept;
    }
    return 0;
}

static const char *temporary_parent(void)
{
    const char *tmp = getenv("TMPDIR");

    return tmp != NULL && tmp[0] == '/' ? tmp : "/tmp";
}

/* Open and lock the file .lock in the private folder `base`. -1: another process holds the lock, or
 * the file is missing or belongs to another user. */
static int take_lock(const char *base, int flags)
{
    auto_free char *path = xasprintf("%s/" LOCK_NAME, base);
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags, 0600);
    struct stat st;

    if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
                    flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &st) < 0 || st.st_nlink == 0))
        fd_close(&fd);
    return fd;
}

/*
 * Make a private folder, and lock it for as long as the proxy runs. Another proxy that cleans up
 * may take the lock just before we do, and remove the folder. Then we try again.
 */
static char *make_temporary(int *lock, struct err *err)
{
    for (unsigned tries = TEMPORARY_TRIES; tries > 0; tries--) {
        auto_free char *path = xasprintf("%s/" TEMPORARY_NAME, temporary_parent());

        /* 0711: workers that run as another user may enter the folder, but not list it. */
        if (mkdtemp(path) == NULL || chmod(path, 0711) < 0) {
            (void)err_set(err, ERR_SYSTEM, errno,
                          "cannot make temporary folder \"%s\": %s; name another place with TMPDIR "
                          "or --action-dir",
                          path, strerror(errno));
            return NULL;
        }
        *lock = take_lock(path, O_CREAT | O_EXCL);
        if (*lock >= 0)
            return TAKE(path);
        (void)err_set(err, ERR_SYSTEM, errno, "cannot lock temporary folder \"%s\": %s", path,
                      strerror(errno));
        (void)store_remove_tree(path, STORE_CLOSE_MS);
    }
    return NULL;
}

/* Remove the private folders of our user's dead proxies: the folders that no process locks. */
static void remove_left_behind(void)
{
    DIR *folder = opendir(temporary_parent());
    const struct dirent *item;
    unsigned n = 0;

    while (folder != NULL && n < LEFT_MAX && (item = readdir(folder)) != NULL) {
        auto_free char *path = NULL;
        auto_fd int lock = -1;

        if (fnmatch(TEMPORARY_PATTERN, item->d_name, 0) != 0)
            continue;
        path = xasprintf("%s/%s", temporary_parent(), item->d_name);
        lock = take_lock(path, 0);
        if (lock < 0)
            continue;
        n++;
        log_info("store.left_behind", log_text("removed", path));
        (void)store_remove_in_child(path);
    }
    if (folder != NULL)
        (void)closedir(folder);
}

/* Lock the folder itself. systemd-tmpfiles deletes what lies unused below /tmp for days, which the
 * files of an action do until a process is started again, but nothing in a folder that is locked
 * (tmpfiles.d(5)). -1: no lock. */
static int hold(const char *base)
{
    int fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0)
        fd_close(&fd);
    return fd;
}

/* Read a file's name as a version number. 0: the name is not a number. */
static unsigned number_of(const char *name)
{
    unsigned long number;

    if (name[0] == '\0' || strlen(name) > 9 || name[strspn(name, "0123456789")] != '\0')
        return 0;
    number = strtoul(name, NULL, 10);
    assert(number <= STORE_NUMBER_MAX);
    return (unsigned)number;
}

/* Find the highest version number N that is taken. A file BASE/N takes the number, too, because no
 * folder of that name can be made. */
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
    store->lock = store->hold = -1;
    if (temporary) {
        remove_left_behind();
        dir = made = make_temporary(&store->lock, err);
        if (made == NULL)
            return -1;
    } else {
        store->made = access(dir, F_OK) < 0;
        if (make_folders(dir, err) < 0)
            return -1;
    }
    store->base = realpath(dir, NULL);
    if (store->base == NULL)
        return err_set(err, ERR_SYSTEM, errno, "cannot find folder \"%s\": %s", dir,
                       strerror(errno));
    assert(store->base[0] == '/');
    assert(!temporary || store->lock >= 0);
    store->temporary = temporary;
    store->hold = hold(store->base);
    if (scan(store, err) < 0) {
        store_close(store);
        return -1;
    }
    return 0;
}

void store_none(struct store *store, const struct err *why)
{
    memset(store, 0, sizeof(*store));
    store->why_none = xstrdup(why->text);
}

void store_close(struct store *store)
{
    assert(!store->temporary || !store->made);
    /* If the folder is large, or a process still fills it, a child process goes on removing it. The
     * child's time is bounded, too. What it does not remove stays below TMPDIR or /tmp. */
    if (store->temporary && store->base != NULL &&
        store_remove_tree(store->base, STORE_CLOSE_MS) == -ETIMEDOUT)
        (void)store_remove_in_child(store->base);
    if (store->made && store->base != NULL)
        (void)rmdir(store->base);
    if (store->lock > 0)
        fd_close(&store->lock);
    if (store->hold > 0)
        fd_close(&store->hold);
    free(store->base);
    free(store->why_none);
    memset(store, 0, sizeof(*store));
}

const char *store_full(const char *dir, int os)
{
    struct statvfs disk;

    if (os == EDQUOT)
        return "the disk quota is used up (--action-dir)";
    if (os != ENOSPC)
        return NULL;
    if (statvfs(dir, &disk) == 0 && disk.f_files > 0 && disk.f_favail == 0)
        return "the disk has no inode left for one more file (--action-dir)";
    return "the disk is full (--action-dir)";
}

/* ---- versions ---- */

char *store_path(const struct store *store, unsigned number, const char *part)
{
    assert(store->base != NULL);
    assert(number > 0);
    return xasprintf("%s/%u%s%s", store->base, number, part[0] != '\0' ? "/" : "", part);
}

static int make_folder(const char *path, struct err *err)
{
    if (mkdir(path, 0755) < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot make folder \"%s\": %s", path,
                       strerror(errno));
    return 0;
}

/* Make BASE/N for the first free N. */
static int make_version(struct store *store, struct err *err)
{
    unsigned tries = STORE_STAGE_TRIES;

    assert(store->last <= STORE_NUMBER_MAX);
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

    if (store->base == NULL)
        return err_set(err, ERR_SYSTEM, 0, "%s", store->why_none);
    if (make_version(store, err) < 0)
        return -1;
    src = store_path(store, store->last, "src");
    if (make_folder(src, err) < 0) {
        auto_free char *version = store_path(store, store->last, "");

        (void)rmdir(version);
        return -1;
    }
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

/* Move one entry from BASE/N/bin to BASE. If BASE has an entry of this name that cannot be
 * overwritten, move that entry to BASE/N/old first. */
static int settle_one(int bin, int base, int version, const char *name)
{
    if (renameat(bin, name, base, name) == 0)
        return 0;
    if (errno != EISDIR && errno != ENOTDIR && errno != ENOTEMPTY && errno != EEXIST)
        return -1;
    if (mkdirat(version, "old", 0700) < 0 && errno != EEXIST)
        return -1;
    {
        auto_fd int old = openat(version, "old", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (old < 0 || renameat(base, name, old, name) < 0)
            return -1;
    }
    return renameat(bin, name, base, name);
}

static int settle_all(DIR *bin, int base, int version)
{
    struct dirent *item;
    bool moved = true;

    while (moved) { /* a move may make readdir() skip names, so read again after it */
        moved = false;
        rewinddir(bin);
        while ((item = readdir(bin)) != NULL) {
            if (is_self_or_parent(item->d_name))
                continue;
            if (settle_one(dirfd(bin), base, version, item->d_name) < 0)
                return -1;
            moved = true;
        }
    }
    return 0;
}

int store_settle(struct store *store, unsigned number, struct err *err)
{
    auto_free char *path = store_path(store, number, "");
    auto_fd int base = open(store->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_fd int version = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *bin = version >= 0 ? open_folder(version, "bin") : NULL;
    int result = bin != NULL && base >= 0 ? settle_all(bin, base, version) : -1;
    int os = errno;

    assert(number > 0 && number <= store->last);
    if (bin != NULL)
        (void)closedir(bin);
    if (result < 0)
        return err_set(err, ERR_SYSTEM, os, "cannot move \"%s/bin\" to \"%s\": %s", path,
                       store->base, strerror(os));
    (void)unlinkat(version, "bin", AT_REMOVEDIR);
    (void)rmdir(path); /* fails if `old` or another entry is left in the folder */
    return 0;
}

int store_make_bin(struct store *store, unsigned number, struct err *err)
{
    auto_free char *bin = store_path(store, number, "bin");

    assert(number > 0 && number <= store->last);
    return make_folder(bin, err);
}

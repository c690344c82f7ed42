/*
 * A file has changed when it was closed after writing, moved in or out, deleted or given another
 * mode. Single writes do not count, since a file that is still open may be half written. After each
 * burst of changes the whole tree is walked again. This adds watches of new folders and drops those
 * of folders that are gone. For a folder that is watched already, inotify_add_watch() returns the
 * existing watch.
 *
 * No event tells that a folder was removed while a process still works in it, as the action's
 * workers do. So twice a second we check whether the path still leads to the folder that is
 * watched.
 */

#include "dev/watch.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/util.h"
#include "dev/prints.h"

#define FOLDER_EVENTS                                                                              \
    (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF |       \
     IN_MOVE_SELF | IN_ATTRIB)
#define READ_BYTES       65536
#define WATCH_CREATED_MS 300 /* how long we wait for a new file to be closed */

struct watch {
    struct loop *loop; /* borrowed */
    char *path;        /* owned */
    char *folder;      /* owned; the folder that contains the path */
    watch_fn *fn;
    void *owner; /* borrowed */
    struct loop_watch inotify;
    struct loop_timer settle; /* when it fires, the burst of changes has ended */
    struct loop_timer look; /* always set; when it fires, check the path, or all files if `polls` */
    bool is_file;           /* a file is watched; false: a folder */
    char linked[PATH_MAX];  /* if the file is a link: name of the file to which it leads */
    uint64_t burst_ends_ms; /* loop time at which the burst ends at the latest; 0: no burst */
    int *wds; /* owned; inotify's watch descriptors of folders, sorted except during a walk */
    size_t n_wds;
    size_t wds_room;
    /* during a walk: number of descriptors from the previous walk, at the front of wds */
    size_t n_wds_before;
    size_t n_entries; /* files and folders seen in this walk */
    struct stat root; /* stat() of `path`, or of `folder` if is_file, in the last walk */
    struct prints prints;
    struct watch_changes changes; /* between the last two walks */
    uint64_t print;               /* fingerprint of all names and contents, at the last walk */
    /* a file was written since the last check, with the same content or another */
    bool is_written;
    bool is_gone;
    bool is_missed; /* in the last walk a folder vanished before it could be watched */
    bool gone_is_told;
    /* check all files by a timer: inotify cannot be used, or not for all folders */
    bool polls;
    /* errno that tells why inotify cannot be used, until the owner is told; 0: nothing to tell */
    int limit_os;
};

/* ---- which files and changes count ---- */

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), n_end = strlen(end);

    return n >= n_end && strcmp(name + n - n_end, end) == 0;
}

/* Whether this is a swap file of vim: .name.swp, then .swo, .swn, ...; .swp alone for a text
 * without a name. */
static bool is_swap_file(const char *name)
{
    size_t n = strlen(name);

    return n >= 4 && name[0] == '.' && memcmp(name + n - 4, ".sw", 3) == 0 && name[n - 1] >= 'a' &&
           name[n - 1] <= 'z';
}

/* Whether files and folders of this name, anywhere below the watched path, are ignored. */
static bool is_ignored(const char *name)
{
    static const char *const names[] = {
        ".git",         ".hg",         ".svn",       ".idea",       ".vscode",
        "node_modules", "__pycache__", ".venv",      ".mypy_cache", ".pytest_cache",
        ".ruff_cache",  ".DS_Store",   "virtualenv", "4913", /* vim writes this file as a test */
    };
    static const char *const ends[] = {
        "~",     ".tmp",    ".temp", ".bak",         ".orig",        ".pyc",        ".pyo",
        ".part", ".crswap", ".swpx", "___jb_tmp___", "___jb_old___", "___jb_bak___"};
    const char *copy = strstr(name, ".tmp."); /* NAME.tmp.12345, a copy to be renamed to NAME */

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (ends_with(name, ends[i]))
            return true;
    if (is_swap_file(name) || (copy != NULL && isdigit((unsigned char)copy[strlen(".tmp.")])))
        return true;
    /* emacs: .#lock, #autosave#; kate: .name.kate-swp; gedit: .goutputstream-*; NFS: .nfs* */
    return strncmp(name, ".#", 2) == 0 || name[0] == '#' || ends_with(name, ".kate-swp") ||
           strncmp(name, ".goutputstream-", 15) == 0 || strncmp(name, ".nfs", 4) == 0;
}

static void forget_changes(struct watch_changes *changes)
{
    for (unsigned i = 0; i < changes->n; i++)
        free(changes->files[i].name);
    *changes = (struct watch_changes){.is_all = true};
}

static void note_change_of(struct watch *watch, const char *path, const struct stat *info)
{
    struct watch_changes *changes = &watch->changes;
    size_t n = strlen(watch->path);

    if (changes->n == WATCH_NAMES_MAX || path[n] != '/') { /* too many, or a file is watched */
        changes->is_all = false;
        return;
    }
    changes->files[changes->n].name = xstrdup(path + n + 1);
    changes->files[changes->n++].at_ms =
        (uint64_t)info->st_ctim.tv_sec * 1000 + (uint64_t)info->st_ctim.tv_nsec / 1000000;
}

/* Whether the file is rsync's unfinished copy of another: .NAME.Xk3f9a, six random characters. */
static bool is_copy(const char *folder, const char *name)
{
    size_t n = strlen(name);
    auto_free char *original = NULL;

    if (name[0] != '.' || n < 9 || name[n - 7] != '.')
        return false;
    original = xasprintf("%s/%.*s", folder, (int)(n - 8), name + 1);
    return access(original, F_OK) == 0;
}

/* Mix the state of a file or folder into *print. Writing a file again with the same content does
 * not change *print. */
static void mix_stat(struct watch *watch, uint64_t *print, const char *path, const char *name,
                     const struct stat *info)
{
    uint64_t content;

    print_mix(print, name, strlen(name));
    print_mix(print, &info->st_mode, sizeof(info->st_mode));
    if (S_ISREG(info->st_mode)) {
        content = prints_of(&watch->prints, path, info);
        print_mix(print, &content, sizeof(content));
        if (watch->prints.is_changed)
            note_change_of(watch, path, info);
    } else { /* leave out a folder's time: ignored files change it, too */
        print_mix(print, &info->st_ino, sizeof(info->st_ino));
    }
}

/* ---- watches ---- */

static void give_up_inotify(struct watch *watch, int os)
{
    assert(!watch->polls);
    watch->polls = true;
    watch->limit_os = os;
    loop_watch_close(&watch->inotify);
    watch->n_wds = watch->n_wds_before = 0;
}

static void watch_folder(struct watch *watch, const char *path)
{
    int wd;

    if (watch->polls)
        return;
    wd = inotify_add_watch(watch->inotify.fd, path, FOLDER_EVENTS);
    if (wd < 0 && errno == ENOSPC)
        give_up_inotify(watch, ENOSPC);
    if (wd < 0 && errno == ENOENT)
        watch->is_missed = true; /* no event will tell if a new folder takes this path */
    if (wd < 0)
        return;
    if (watch->n_wds == watch->wds_room) {
        watch->wds_room = watch->wds_room > 0 ? 2 * watch->wds_room : 16;
        watch->wds = xrealloc(watch->wds, watch->wds_room * sizeof(*watch->wds));
    }
    assert(watch->n_wds < watch->wds_room);
    watch->wds[watch->n_wds++] = wd;
}

/* Watch the folder of the file that a link leads to, since a save of that file counts, too. */
static void watch_linked(struct watch *watch, const char *link)
{
    char real[PATH_MAX];

    if (realpath(link, real) != NULL)
        watch_folder(watch, dirname(real));
}

static int compare_wds(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;

    return (x > y) - (x < y);
}

/* Drop the watches of folders that the previous walk met and this walk did not: they were moved
 * away. The watches of this walk stay, sorted and without duplicates. */
static void drop_old(struct watch *watch)
{
    const int *old = watch->wds, *met = watch->wds + watch->n_wds_before;
    size_t n_old = watch->n_wds_before, n_met = watch->n_wds - n_old, n = 0;

    assert(n_old <= watch->n_wds);
    if (n_met > 0)
        qsort(watch->wds + n_old, n_met, sizeof(*met), compare_wds);
    for (size_t i = 0, j = 0; i < n_old; i++) {
        while (j < n_met && met[j] < old[i])
            j++;
        if (j == n_met || met[j] != old[i])
            (void)inotify_rm_watch(watch->inotify.fd, old[i]);
    }
    for (size_t j = 0; j < n_met; j++)
        if (n == 0 || watch->wds[n - 1] != met[j])
            watch->wds[n++] = met[j];
    watch->n_wds = n;
    watch->n_wds_before = 0;
}

/* ---- walks ---- */

/* Whether a folder is a virtual environment of Python, whatever its name. */
static bool is_virtual_environment(const char *path)
{
    auto_free char *mark = xasprintf("%s/pyvenv.cfg", path);

    return access(mark, F_OK) == 0;
}

/* Watch and fingerprint a folder, recursively, at most WATCH_DEPTH_MAX levels deep. Links to files
 * are followed. Links to folders are not, since they may lead in a circle. */
static void walk_folder(struct watch *watch, const char *path, unsigned depth, uint64_t *print)
{
    DIR *folder;
    struct dirent *item;

    assert(depth <= WATCH_DEPTH_MAX);
    watch_folder(watch, path); /* before opendir(), so that any later change causes an event */
    folder = opendir(path);
    while (folder != NULL && (item = readdir(folder)) != NULL) {
        auto_free char *name = NULL;
        struct stat info;
        uint64_t one = PRINT_START;

        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0 ||
            is_ignored(item->d_name) || is_copy(path, item->d_name) ||
            watch->n_entries >= WATCH_ENTRIES_MAX)
            continue;
        watch->n_entries++;
        name = xasprintf("%s/%s", path, item->d_name);
        if (lstat(name, &info) < 0 || (S_ISDIR(info.st_mode) && is_virtual_environment(name)))
            continue;
        if (S_ISLNK(info.st_mode)) {
            if (stat(name, &info) == 0 && S_ISREG(info.st_mode))
                watch_linked(watch, name);
        } else if (S_ISDIR(info.st_mode) && depth < WATCH_DEPTH_MAX) {
            walk_folder(watch, name, depth + 1, &one);
        }
        mix_stat(watch, &one, name, item->d_name, &info);
        *print += one; /* a sum does not depend on the order of the entries */
    }
    if (folder != NULL)
        (void)closedir(folder);
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* Watch the folder of the file and, if the file is a link, the folder of the file to which it
 * leads. */
static void walk_file(struct watch *watch, const struct stat *info, uint64_t *print)
{
    char real[PATH_MAX];

    watch_folder(watch, watch->folder);
    if (stat(watch->folder, &watch->root) < 0)
        watch->is_missed = true;
    if (realpath(watch->path, real) != NULL) {
        (void)snprintf(watch->linked, sizeof(watch->linked), "%s", name_of(real));
        watch_folder(watch, dirname(real));
    }
    mix_stat(watch, print, watch->path, "", info);
}

/* Watch and fingerprint everything at watch->path. false: nothing is there. */
static bool walk(struct watch *watch)
{
    struct stat info;
    uint64_t print = 0;

    assert(watch->n_wds_before == 0);
    if (stat(watch->path, &info) < 0)
        return false;
    watch->root = info;
    watch->is_file = !S_ISDIR(info.st_mode);
    watch->is_missed = false;
    watch->n_wds_before = watch->n_wds;
    watch->n_entries = 0;
    forget_changes(&watch->changes);
    prints_begin(&watch->prints);
    if (watch->is_file) {
        walk_file(watch, &info, &print);
    } else {
        /* mix_stat() mixes in the folder's inode: a new folder at the path must count as a change,
         * since the action's processes still work in the old folder. */
        mix_stat(watch, &print, watch->path, "", &info);
        walk_folder(watch, watch->path, 0, &print);
    }
    if (watch->prints.n_missing > 0)
        watch->changes.is_all = false;
    if (!watch->polls)
        drop_old(watch);
    watch->print = print;
    return true;
}

/* ---- events and timers ---- */

static void look_later(struct watch *watch)
{
    loop_timer_set(watch->loop, &watch->look,
                   loop_now_ms(watch->loop) + (watch->is_gone ? WATCH_GONE_MS : WATCH_LOOK_MS));
}

/* Whether the path leads to another folder than the one that is watched. */
static bool is_replaced(const struct watch *watch)
{
    struct stat info;

    return stat(watch->is_file ? watch->folder : watch->path, &info) < 0 ||
           info.st_ino != watch->root.st_ino || info.st_dev != watch->root.st_dev;
}

static void tell_limit(struct watch *watch)
{
    char why[256];

    if (watch->limit_os == 0)
        return;
    assert(watch->polls);
    (void)snprintf(
        why, sizeof(why),
        "no more inotify %s (%s): raise %s by sysctl; until then the files are looked at "
        "twice a second",
        watch->limit_os == ENOSPC ? "watches" : "instances", strerror(watch->limit_os),
        watch->limit_os == ENOSPC ? "fs.inotify.max_user_watches"
                                  : "fs.inotify.max_user_instances");
    watch->limit_os = 0;
    watch->fn(watch->owner, WATCH_LIMIT, why);
}

/* Find out what has changed. Called at the end of a burst, or by a timer where no event tells of
 * changes. */
static void look(struct watch *watch)
{
    uint64_t before = watch->print;
    bool was_gone = watch->is_gone, was_written = watch->is_written, is_told_back;

    assert(!watch->gone_is_told || watch->is_gone);
    watch->is_written = false;
    watch->is_gone = !walk(watch);
    is_told_back = watch->gone_is_told && !watch->is_gone;
    tell_limit(watch);
    look_later(watch);
    if (!watch->is_gone)
        watch->gone_is_told = false;
    /* Tell only when two checks in a row find nothing: an editor's save takes less time. */
    if (watch->is_gone && was_gone && !watch->gone_is_told) {
        watch->gone_is_told = true;
        watch->fn(watch->owner, WATCH_GONE, NULL);
    } else if (!watch->is_gone && (watch->print != before || is_told_back)) {
        watch->fn(watch->owner, WATCH_CHANGED, NULL);
    } else if (!watch->is_gone && was_written) {
        watch->fn(watch->owner, WATCH_TOUCHED, NULL);
    }
}

static void on_settled(struct loop_timer *timer)
{
    struct watch *watch = container_of(timer, struct watch, settle);

    assert(watch->burst_ends_ms > 0);
    watch->burst_ends_ms = 0;
    look(watch);
}

static void on_look(struct loop_timer *timer)
{
    struct watch *watch = container_of(timer, struct watch, look);

    if (watch->is_gone || watch->polls || watch->is_missed || is_replaced(watch))
        look(watch);
    else
        look_later(watch);
}

static void note_change(struct watch *watch, uint64_t settle_ms)
{
    uint64_t now_ms = loop_now_ms(watch->loop);
    uint64_t at_ms = now_ms + settle_ms;

    assert(settle_ms > 0);
    assert(loop_timer_is_set(&watch->settle) == (watch->burst_ends_ms > 0));
    if (watch->burst_ends_ms == 0)
        watch->burst_ends_ms = now_ms + WATCH_BURST_MS;
    if (settle_ms > WATCH_SETTLE_MS && loop_timer_is_set(&watch->settle))
        return;
    loop_timer_set(watch->loop, &watch->settle,
                   at_ms < watch->burst_ends_ms ? at_ms : watch->burst_ends_ms);
}

/* How many milliseconds after an event to check the files; 0: do not check. After IN_CREATE wait
 * longer: the new entry may be a file that its writer has yet to fill and close. (Closing is an
 * event of its own. A new link has no second event.) */
static uint64_t settle_time(const struct watch *watch, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW)
        return WATCH_SETTLE_MS;
    if ((event->mask & IN_IGNORED) || (event->len > 0 && is_ignored(event->name)))
        return 0;
    if (event->len > 0 && watch->is_file && strcmp(event->name, name_of(watch->path)) != 0 &&
        strcmp(event->name, watch->linked) != 0)
        return 0;
    return (event->mask & IN_CREATE) && !(event->mask & IN_ISDIR) ? WATCH_CREATED_MS
                                                                  : WATCH_SETTLE_MS;
}

static void on_readable(struct loop_watch *loop_watch)
{
    struct watch *watch = container_of(loop_watch, struct watch, inotify);
    static _Alignas(struct inotify_event) char bytes[READ_BYTES]; /* only one thread uses it */
    ssize_t n = read(watch->inotify.fd, bytes, sizeof(bytes));
    uint64_t soonest_ms = 0;

    for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= n;) {
        const struct inotify_event *event = (const void *)(bytes + at);
        uint64_t ms = settle_time(watch, event);

        if (ms > 0 && (soonest_ms == 0 || ms < soonest_ms))
            soonest_ms = ms;
        if (ms > 0 && (event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO | IN_ATTRIB)))
            watch->is_written = true;
        at += (ssize_t)(sizeof(*event) + event->len);
    }
    if (soonest_ms > 0)
        note_change(watch, soonest_ms);
}

/* ---- public functions ---- */

struct watch *watch_new(struct loop *loop, const char *path, watch_fn *fn, void *owner)
{
    struct watch *watch = xcalloc(1, sizeof(*watch));
    auto_free char *copy = xstrdup(path); /* dirname() changes its argument */
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    watch->loop = loop;
    watch->path = xstrdup(path);
    watch->folder = xstrdup(dirname(copy));
    watch->fn = fn;
    watch->owner = owner;
    loop_watch_init(&watch->inotify);
    loop_timer_init(&watch->settle, on_settled);
    loop_timer_init(&watch->look, on_look);
    if (fd < 0) {
        watch->polls = true;
        watch->limit_os = errno;
    } else {
        loop_watch_open(loop, &watch->inotify, fd);
        loop_watch_read(&watch->inotify, on_readable);
    }
    watch->is_gone = !walk(watch);
    tell_limit(watch);
    look_later(watch);
    return watch;
}

void watch_catch_up(struct watch *watch)
{
    watch->is_gone = !walk(watch);
    if (watch->is_gone)
        watch->print = 0; /* so that anything that comes to the path counts as a change */
    else
        watch->gone_is_told = false;
    tell_limit(watch);
    look_later(watch);
}

void watch_free(struct watch **watch)
{
    struct watch *w = *watch;

    if (w == NULL)
        return;
    loop_timer_clear(&w->settle);
    loop_timer_clear(&w->look);
    loop_watch_close(&w->inotify);
    prints_done(&w->prints);
    forget_changes(&w->changes);
    free(w->wds);
    free(w->path);
    free(w->folder);
    free(w);
    *watch = NULL;
}

const struct watch_changes *watch_changes(const struct watch *watch)
{
    return &watch->changes;
}

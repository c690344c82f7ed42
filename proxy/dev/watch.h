#pragma once

/*
 * watch - tell when a file, or anything in a folder, was saved. A burst of changes is told once.
 *
 * It uses inotify. For a file, its folder is watched, since editors replace files by rename. For a
 * folder, the folder itself and all folders below it are watched, except those that no one edits
 * (.git, node_modules, __pycache__, ...). If the system gives no more watches, all files are
 * checked twice a second instead. A path that vanishes is waited for. A file that is written again
 * with the same content has not changed.
 */

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct watch;

#define WATCH_SETTLE_MS   25  /* a burst has ended after this time without a change */
#define WATCH_BURST_MS    500 /* a burst ends at the latest this long after its first change */
#define WATCH_LOOK_MS     500 /* time between checks of the path; without inotify, of all files */
#define WATCH_GONE_MS     200 /* time between two checks of a path that is gone */
#define WATCH_ENTRIES_MAX 100000 /* most files and folders that are checked */
#define WATCH_DEPTH_MAX   64
#define WATCH_NAMES_MAX   16 /* most changed files that the owner is told by name */

enum watch_news {
    WATCH_CHANGED,
    WATCH_TOUCHED, /* a file was written, but with the same content as before */
    WATCH_GONE,    /* nothing is at the path; told once, then we wait for it to come back */
    /* inotify cannot be used, `why` tells the reason; told once. Changes are found without it. */
    WATCH_LIMIT,
};

/* The files in the folder that are new or have another content than at the previous check. */
struct watch_changes {
    unsigned n;
    bool is_all; /* false: there may be other changes, such as a file that was removed */
    struct {
        char *name;     /* owned; path relative to the watched folder */
        uint64_t at_ms; /* Unix time of the change; a few ms early, since file systems round down */
    } files[WATCH_NAMES_MAX];
};

typedef void watch_fn(void *owner, enum watch_news news, const char *why);

struct watch *watch_new(struct loop *loop, const char *path, watch_fn *fn, void *owner);
void watch_free(struct watch **watch);
/* Call before reading the files: changes made before this call are not reported any more. */
void watch_catch_up(struct watch *watch);
/* The files that the last WATCH_CHANGED was about. Valid until the watch calls back again. */
const struct watch_changes *watch_changes(const struct watch *watch);

#pragma once

/*
 * watch - tell when a file, or anything in a folder, was saved; once for a burst of changes.
 *
 * By inotify: for a file its folder is watched, since editors replace files by rename; for a
 * folder, it and all folders below it, except those that no one edits (.git, node_modules,
 * __pycache__, ...). Where the system gives no more watches, everything is looked at twice a second
 * instead. A path that vanishes is waited for. The content of files counts: one that is written
 * again with the same content has not changed.
 */

struct loop;
struct watch;

#define WATCH_SETTLE_MS   25     /* a burst has ended after this time without a change */
#define WATCH_BURST_MS    500    /* a burst ends at the latest this long after its first change */
#define WATCH_LOOK_MS     500    /* between two looks where inotify cannot be used */
#define WATCH_GONE_MS     200    /* between two looks at a path that is gone */
#define WATCH_ENTRIES_MAX 100000 /* most files and folders that are looked at */
#define WATCH_DEPTH_MAX   64

enum watch_news {
    WATCH_CHANGED,
    WATCH_TOUCHED, /* a file was written, but with the same content as before */
    WATCH_GONE,    /* there is nothing at the path: it is waited for; told once */
    WATCH_LIMIT, /* inotify cannot be used, see `why`; told once. Changes are found all the same. */
};

typedef void watch_fn(void *owner, enum watch_news news, const char *why);

struct watch *watch_new(struct loop *loop, const char *path, watch_fn *fn, void *owner);
void watch_free(struct watch **watch);
/* Call before reading the files: changes up to now will not be told. */
void watch_catch_up(struct watch *watch);

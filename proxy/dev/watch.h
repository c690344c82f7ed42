#pragma once

/*
 * watch - tell when a file, or anything in a folder, was saved; once for a burst of changes.
 *
 * By inotify: for a file its folder is watched, since editors replace files by rename; for a folder
 * all folders below it, but those that no one edits (.git, node_modules, __pycache__, ...). Where
 * the system gives no more watches all is looked at twice a second instead. A path that vanishes is
 * waited for. What counts is the content of files: one that is written anew as it was is no change.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"

struct watch;

#define WATCH_SETTLE_MS   25     /* without a further change, then a burst has ended */
#define WATCH_BURST_MS    500    /* ... and it has in any case after so long */
#define WATCH_LOOK_MS     500    /* between two looks where there are no watches */
#define WATCH_GONE_MS     200    /* ... for a path that is away */
#define WATCH_ENTRIES_MAX 100000 /* files and folders that are looked at; more are not */
#define WATCH_DEPTH_MAX   64

enum watch_news {
    WATCH_CHANGED,
    WATCH_TOUCHED, /* written, but all is as it was when last told or caught up with */
    WATCH_GONE,    /* there is nothing at the path: it is waited for; told once */
    WATCH_LIMIT,   /* inotify refuses, `why` says so; told once. Changes are found all the same. */
};

typedef void watch_fn(void *owner, enum watch_news news, const char *why);

struct watch *watch_new(struct loop *loop, const char *path, watch_fn *fn, void *owner);
void watch_free(struct watch **watch);
/* The owner reads the files now: what it finds is not told again as a change. */
void watch_catch_up(struct watch *watch);
/* Whether a file of this name, somewhere below, is of no interest. */
bool watch_ignores(const char *name);

#pragma once

/*
 * preloaded - find the action that an image or a command line brings, so that no /init is needed.
 *
 * Searched in this order: --action, OW_AUTOINIT, __OW_ACTION_CODE, and the folder /action of our
 * own images, which may be missing or empty. A file is treated like the code of an /init, and its
 * name's ending tells the language; a folder is served in place, and a folder with a single file
 * counts as that file.
 */

#include <stdbool.h>
#include <stdint.h>

#include "action/envelope.h"

struct err;
struct runtime;
struct runtimes;

#define PRELOADED_FOLDER "/action" /* the default of --action */

struct preloaded_opts {
    const char *command;   /* the command that was given the file, "invoke"; NULL: none */
    const char *path;      /* --action; for a command, its FILE, and nothing else is searched */
    const char *main;      /* --main; "": OW_AUTOINIT_MAIN or __OW_ACTION_MAIN, else "main" */
    char *const *env;      /* NAME=value for the action; NULL: none */
    uint64_t bytes_max;    /* limit for a file, or for the archive of a folder to be compiled */
    bool folder_is_theirs; /* PRELOADED_FOLDER holds no action: an image for another proxy */
    bool runtime_is_named; /* --runtime is set: that runtime takes files with unknown endings */
    const struct runtimes *runtimes;
    const struct runtime *fallback;
};

struct preloaded {
    struct envelope envelope;      /* owned; code == NULL: no code to write to disk */
    char *dir;                     /* owned; a folder to serve in place, absolute; NULL: none */
    const struct runtime *runtime; /* for `dir` or for the source text; NULL: the code will tell */
    const char *origin; /* names the action in error texts: "--action", "OW_AUTOINIT", ... */
    bool may_fail;      /* on failure wait for an /init, as the Go proxy with OW_AUTOINIT does */
    char *wanted;       /* owned; what a folder without an action would need to have; else NULL */
};

/* 1: found, preloaded filled; 0: there is no action; -1: err says what is wrong with it. preloaded:
 * zeroed by the caller; release with preloaded_done() in all cases. Blocks while it reads files. */
int preloaded_find(struct preloaded *preloaded, const struct preloaded_opts *opts, struct err *err);
void preloaded_done(struct preloaded *preloaded);

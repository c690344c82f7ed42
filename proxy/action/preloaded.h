#pragma once

/*
 * preloaded - the action that an image or a command line brings along, so that no /init is needed.
 *
 * In this order: --action, OW_AUTOINIT, __OW_ACTION_CODE, and the folder /action of our own images,
 * which may be missing or empty. A file is what the code of an /init is, and the ending of its name
 * tells the language of source text; a folder is served where it lies, and one that holds a single
 * file is that file.
 */

#include <stdbool.h>
#include <stdint.h>

#include "action/envelope.h"

struct err;
struct runtime;
struct runtimes;

#define PRELOADED_FOLDER "/action" /* what --action is unless it is set */

struct preloaded_opts {
    const char *command;   /* of the command line, which names the file; NULL: none does */
    const char *path;      /* --action; of a command: its FILE, and nothing else is looked for */
    const char *main;      /* --main; "": as the other variables say */
    char *const *env;      /* NAME=value for the action; NULL: none */
    uint64_t bytes_max;    /* of a file, or of the archive of a folder that must be compiled */
    bool folder_is_theirs; /* what is in PRELOADED_FOLDER is no action: an image of ActionLoop */
    bool runtime_is_named; /* by --runtime: files of unknown endings are for it */
    const struct runtimes *runtimes;
    const struct runtime *fallback;
};

struct preloaded {
    struct envelope envelope; /* owned; code == NULL: nothing to stage */
    char *dir;                /* owned; a folder to serve in place, absolute; NULL: none */
    const struct runtime
        *runtime;       /* of `dir`, or what the source text is; NULL: as the code says */
    const char *origin; /* who named it, for texts: "--action", "OW_AUTOINIT", ... */
    bool may_fail;      /* then /init is waited for, as with OW_AUTOINIT's own proxy */
};

/* 1: found, preloaded filled; 0: there is none; -1: err says what is wrong with it. preloaded:
 * zeroed by the caller, preloaded_done() afterwards always. Reads files: before the loop. */
int preloaded_find(struct preloaded *preloaded, const struct preloaded_opts *opts, struct err *err);
void preloaded_done(struct preloaded *preloaded);

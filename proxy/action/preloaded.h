#pragma once

/*
 * preloaded - find the action that an image or a command line brings, so that no /init is needed.
 *
 * These places are searched in order: --action, OW_AUTOINIT, __OW_ACTION_CODE, and the folder
 * /action of our own images, which may be missing or have no action. A file is treated like the
 * code of an /init, and the ending of its name tells the language. A folder is served in place; a
 * folder with a single file, hidden ones aside, counts as that file.
 */

#include <stdbool.h>
#include <stdint.h>

#include "action/envelope.h"

struct err;
struct runtime;
struct runtimes;

#define PRELOADED_FOLDER "/action" /* the default of --action */

struct preloaded_opts {
    const char *command; /* the command that got FILE as argument, such as "invoke"; NULL: none */
    const char *path; /* --action; if `command` is set: its FILE, and no other place is searched */
    const char *main; /* --main; "": OW_AUTOINIT_MAIN or __OW_ACTION_MAIN if set, else "main" */
    char *const *env; /* NAME=value for the action; NULL: none */
    uint64_t bytes_max;    /* size limit of a file, or of the archive made of a folder */
    bool folder_is_theirs; /* the image was made for another proxy, which uses PRELOADED_FOLDER */
    bool runtime_is_named; /* --runtime is set: that runtime takes files with unknown endings */
    const struct runtimes *runtimes;
    const struct runtime *fallback;
};

struct preloaded {
    struct envelope envelope; /* owned; its `code` is NULL if a folder is served in place */
    char *dir;                /* owned; a folder to serve in place, absolute; NULL: none */
    /* of `dir` or of plain source; NULL: chosen later, as for archives */
    const struct runtime *runtime;
    const char *origin; /* where the action was found, for errors: "--action", "OW_AUTOINIT", ... */
    bool may_fail;      /* a failure is no error: wait for an /init, as the Go proxy does */
    char *wanted; /* owned; if the folder has no action: the files it should have; else NULL */
};

/* 1: found, preloaded filled; 0: there is no action; -1: see err. preloaded: zeroed by the caller;
 * release with preloaded_done() in all cases. Blocks while it reads files. */
int preloaded_find(struct preloaded *preloaded, const struct preloaded_opts *opts, struct err *err);
void preloaded_done(struct preloaded *preloaded);

#pragma once

/*
 * target - the file or folder that is being developed: finds the action in it, and the examples of
 * arguments beside the action.
 */

#include <stdbool.h>

#include "base/buf.h"

struct err;
struct runtime;
struct runtimes;

/* Must be zeroed before use. All members are owned. */
struct target {
    char *path; /* path as the user gave it, without a slash at its end; for ".", its real path */
    char *name; /* last part of the path, to show to people */
    char *code; /* path of the action: a file, or the folder itself */
    /* absolute path of the folder that the user named, or of the folder of the file that the user
     * named; file names shown to the user are relative to it */
    char *folder;
    char *only;  /* name of the file that is the action; NULL: the action is the folder */
    char *entry; /* name of the file that makes the folder an action; NULL: none is known */
    /* name of the file that made the folder an action at the previous target_look(), if the file is
     * gone now; else NULL */
    char *gone;
};

/* Set target->path and target->name. Call target_look() next, before using the other members.
 * command: name of the command, with which error texts begin. Returns 0; -1 with err if the path
 * leads to neither a file nor a folder. */
int target_open(struct target *target, const char *command, const char *path, struct err *err);
/* Find out anew which code is the action. If no runtime can start the folder, but exactly one
 * source file is in it, that file is the action. */
void target_look(struct target *target, const struct runtimes *runtimes,
                 const struct runtime *fallback);
/* Whether the target is a folder that has only hidden files, or none. */
bool target_is_empty(const struct target *target);
void target_done(struct target *target);
/* Append a JSON array of {"name":"input.json","value":...}: the contents of the files input*.json
 * beside the action. */
void target_write_examples(const struct target *target, struct buf *out);

/* Open a file in a folder for reading. If the file is a link, the file to which it leads is opened.
 * Never blocks. -1 with errno: there is no such file, or it is no regular one. */
int target_open_file(const char *folder, const char *name);
/* The names in a folder that begin with `start` and end with `end`, sorted. NULL-terminated;
 * release with strv_free(). */
char **target_list(const char *folder, const char *start, const char *end);

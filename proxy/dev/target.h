#pragma once

/*
 * target - the file or folder that is developed: what in it is the action, and the examples of its
 * argument beside it.
 */

#include <stdbool.h>

#include "base/buf.h"

struct err;
struct runtime;
struct runtimes;

/* Zeroed before use. All owned. */
struct target {
    char *path; /* as given, without a slash at its end */
    char *name; /* last part of the path, for people */
    char *code; /* what is served: a file, or the folder itself */
    /* absolute; the file's folder, or the folder itself; file names start there for the user */
    char *folder;
    char *only; /* name of the file; NULL: the folder is served */
};

/* command: the first word of error texts. 0; -1 with err: the path is no file and no folder. */
int target_open(struct target *target, const char *command, const char *path, struct err *err);
/* Find out anew what the action is. A folder that no runtime can start, but with one source file in
 * it, counts as that file. */
void target_look(struct target *target, const struct runtimes *runtimes,
                 const struct runtime *fallback);
/* Whether the target is a folder with nothing but hidden files in it. */
bool target_is_empty(const struct target *target);
void target_done(struct target *target);
/* Append a JSON array of {"name":"input.json","value":...}: the contents of the files input*.json
 * beside the action. */
void target_write_examples(const struct target *target, struct buf *out);

/* The names in a folder that begin with `start` and end with `end`, sorted. NULL-terminated;
 * release with strv_free(). */
char **target_list(const char *folder, const char *start, const char *end);

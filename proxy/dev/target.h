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
    char *path;   /* as given, without a slash at its end */
    char *name;   /* its last part, for people */
    char *code;   /* what is served: a file, or the folder itself */
    char *folder; /* absolute; where the user's names begin: of the file, or the folder itself */
    char *only;   /* name of the file; NULL: the folder is served */
};

/* command: for err. 0; -1: there is nothing at the path, or it is neither. */
int target_open(struct target *target, const char *command, const char *path, struct err *err);
/* Find out anew what in it is the action: a folder without an entry of any runtime, but with one
 * source file in it, is that file. */
void target_look(struct target *target, const struct runtimes *runtimes,
                 const struct runtime *fallback);
/* Whether it is a folder with no file in it that people see. */
bool target_is_empty(const struct target *target);
void target_done(struct target *target);
/* Append a JSON array of {"name":"input.json","value":...}: what input*.json beside it hold. */
void target_write_examples(const struct target *target, struct buf *out);

/* Names in a folder that begin and end so, sorted; NULL-terminated, strv_free(). */
char **target_list(const char *folder, const char *start, const char *end);

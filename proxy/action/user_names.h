#pragma once

/*
 * user_names - put the user's own file names into the messages of compilers and interpreters:
 * hello.py instead of /tmp/whiskloop-x/1/bin/__main__.py.
 */

#include <stddef.h>

struct buf;

/* A zeroed struct renames nothing. */
struct user_names {
    char *dir;    /* owned; the action's folder, absolute and with a slash at its end */
    char *source; /* owned; the name under which we stored the user's source file; NULL: unknown */
    char *file;   /* owned; the user's own name for that file; NULL if `source` is NULL */
};

/* Copies its arguments. source: file name under which a single source file was stored; file: the
 * user's name for it. If either is NULL, user_names_put() only removes `dir` from texts. */
void user_names_set(struct user_names *names, const char *dir, const char *source,
                    const char *file);
void user_names_swap(struct user_names *a, struct user_names *b);
void user_names_done(struct user_names *names);
/* Append text[0 .. n) to out, with the user's own file names in place of ours: without `dir`, and
 * with `file` instead of `source`. names NULL: append it as it is. */
void user_names_put(const struct user_names *names, const char *text, size_t n, struct buf *out);

#pragma once

/*
 * user_names - put the user's own file names into the messages of compilers and interpreters:
 * hello.py instead of /tmp/whiskloop-x/1/bin/__main__.py.
 */

#include <stddef.h>

struct buf;

/* Zeroed: nothing is renamed. */
struct user_names {
    char *dir;    /* owned; the action's absolute folder and a slash: cut off the front of names */
    char *source; /* owned; name under which a single file was stored; NULL: there are several */
    char *file;   /* owned; the user's name for that file; NULL: unknown */
};

/* All borrowed; source and file may be NULL. */
void user_names_set(struct user_names *names, const char *dir, const char *source,
                    const char *file);
void user_names_done(struct user_names *names);
/* Append text[0 .. n) to out, with the user's own file names in it. */
void user_names_put(const struct user_names *names, const char *text, size_t n, struct buf *out);

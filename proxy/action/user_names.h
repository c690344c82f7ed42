#pragma once

/*
 * user_names - messages of compilers and interpreters with the names that the user knows: hello.py
 * instead of /tmp/whiskloop-x/1/bin/__main__.py.
 */

#include <stddef.h>

struct buf;

/* Zeroed: nothing is renamed. */
struct user_names {
    char *dir;    /* owned; where the action lies, absolute: left out before the names in it */
    char *source; /* owned; the name under which a single file is stored; NULL: there are several */
    char *file;   /* owned; ... and how its user calls it; NULL: nobody knows */
};

/* All borrowed; source and file may be NULL. */
void user_names_set(struct user_names *names, const char *dir, const char *source,
                    const char *file);
void user_names_done(struct user_names *names);
/* Append text[0 .. n), renamed. */
void user_names_put(const struct user_names *names, const char *text, size_t n, struct buf *out);

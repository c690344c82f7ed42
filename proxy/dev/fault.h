#pragma once

/*
 * fault - why a version did not load, and where in the user's own file: found in the words of
 * compilers and interpreters.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Zeroed: there is none. */
struct fault {
    char *text;        /* owned; all that was said; NULL: there is no fault */
    char *file;        /* owned; as the user calls it, below the action's folder; NULL: not known */
    unsigned line;     /* 0: not known */
    char *message;     /* owned; the one line that says most */
    struct buf source; /* JSON array of {"line":N,"text":"..."} around it; empty: not known */
};

struct fault_place {
    const char *root; /* folder in which relative names stand */
    const char *only; /* the one file that is the action; NULL: any below root */
    bool last_counts; /* of several places, as in Python's traceback; else the first */
};

/* fault: filled anew. text[0 .. n): with the user's names. Reads the source. */
void fault_find(struct fault *fault, const char *text, size_t n, const struct fault_place *where);
/* Append to `text` only. */
void fault_add(struct fault *fault, const char *text);
void fault_done(struct fault *fault);
/* Append it as JSON, or null. */
void fault_write(const struct fault *fault, struct buf *out);

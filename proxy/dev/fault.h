#pragma once

/*
 * fault - why a version did not load, and at which line of the user's code: found in the output of
 * compilers and interpreters.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Zeroed: there is no fault. */
struct fault {
    char *text;    /* owned; the whole output, or its end; NULL: there is no fault */
    char *file;    /* owned; the user's name of the file, below fault_place.root; NULL: not known */
    unsigned line; /* 0: not known */
    char *message; /* owned; the one line that says most */
    struct buf source; /* lines around `line`: [{"line":N,"text":"..."},...]; empty: not known */
};

struct fault_place {
    const char *root; /* folder that relative names start from */
    const char *only; /* the one file that is the action; NULL: any below root */
    bool last_counts; /* the last place named counts, as in Python's traceback; else the first */
};

/* Find the fault in text[0 .. n), the output with the user's file names. Replaces an earlier fault.
 * Reads the source. */
void fault_find(struct fault *fault, const char *text, size_t n, const struct fault_place *where);
/* Append to the member `text` only. */
void fault_add(struct fault *fault, const char *text);
void fault_done(struct fault *fault);
/* Append the fault as JSON; null if there is none. */
void fault_write(const struct fault *fault, struct buf *out);

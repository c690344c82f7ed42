#pragma once

/*
 * fault - why a version of the action did not load, and at which line of the user's code. Both are
 * found in the output of compilers and interpreters.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* A zeroed struct means that there is no fault. */
struct fault {
    char *text;    /* owned; the output of the failed load, or its end; NULL: there is no fault */
    char *file;    /* owned; file at fault, relative to fault_place.root; NULL: not known */
    unsigned line; /* line at fault; 0: not known */
    char *message; /* owned; one line that says what is wrong, usually taken from `text` */
    /* JSON of the source lines around `line`: [{"line":N,"text":"..."},...]; empty: not known */
    struct buf source;
};

struct fault_place {
    const char *root; /* the action's folder; relative file names start there */
    const char *only; /* name of the action's only file; NULL: its files are those below root */
    /* the fault is at the last place (file and line) in the output, as in Python's traceback;
     * false: at the first place */
    bool last_counts;
};

/* Find the fault in text[0 .. n), the output of a failed load. user_names_put() must already have
 * replaced our file names in text by the user's own ones. Replaces the fault found before. Reads
 * the lines around the fault from the source file. */
void fault_find(struct fault *fault, const char *text, size_t n, const struct fault_place *where);
/* Append text to fault->text; the other members stay as they are. */
void fault_add(struct fault *fault, const char *text);
void fault_done(struct fault *fault);
/* Append the fault as a JSON object; null if there is no fault. */
void fault_write(const struct fault *fault, struct buf *out);

#pragma once

/*
 * error_kind - the kinds of failures that a caller is told of, beside the text: as "kind" beside
 * "error" in the answers of pipe and of streams, and as a header of other replies.
 * docs/errors.md says for each whether the caller may retry.
 */

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct job;

#define ERROR_KIND_HEADER "x-whiskloop-kind"

enum error_kind {
    ERROR_KIND_NONE,        /* no failure */
    ERROR_KIND_REQUEST,     /* the request is unusable; not begun */
    ERROR_KIND_METHOD,      /* no function of this name; not begun */
    ERROR_KIND_ACTION,      /* the function answered with an error, or with what is no answer */
    ERROR_KIND_DIED,        /* the process ended before it answered */
    ERROR_KIND_LATE,        /* the deadline passed; it may have begun */
    ERROR_KIND_EXHAUSTED,   /* the process passed a limit of memory, processor time or file size */
    ERROR_KIND_OVERLOAD,    /* no room; not begun */
    ERROR_KIND_UNAVAILABLE, /* no action that works, or shutting down; not begun */
    N_ERROR_KINDS
};

/* The word; NULL for none. */
const char *error_kind_name(enum error_kind kind);
/* Of a job that is done. */
enum error_kind error_kind_of(const struct job *job);

/* Append {"error":"<text>","kind":"<kind>"}. */
void error_kind_add(struct buf *out, enum error_kind kind, const char *text);
/* Append the job's answer, with the kind where it is an error of the action that names none. */
void error_kind_add_answer(struct buf *out, const struct job *job);

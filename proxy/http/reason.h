#pragma once

/*
 * reason - tell the publisher of an action why it failed to start.
 *
 * The platform's texts say little ("Check logs for details."), and test suites compare them. So the
 * reason goes into a header of the reply: the failure in one line, then the last lines that the
 * action wrote while it started.
 */

#include "base/buf.h"
#include "base/output.h"

struct err;
struct pool;
struct request;
struct user_names;

#define REASON_HEADER "x-whiskloop-reason"

/* Observes what a starting action writes. Zeroed before use. */
struct reason {
    struct output_tap tap;
    struct output *streams[2]; /* borrowed; NULL: not listening */
    /* Borrowed; the pool that serves, whose output is ignored; NULL: none. */
    const struct pool *serving;
    struct buf said; /* the last bytes that were written */
};

void reason_listen(struct reason *reason, struct output *out, struct output *err,
                   const struct pool *serving);
/* Stop observing and drop what was observed. May be called repeatedly. */
void reason_done(struct reason *reason);

/* Append the whole reason, with the user's own file names. why: a compiler's message; if not empty,
 * it is the whole reason. launchers: the folder whose stack frames are left out; NULL: unknown. */
void reason_compose(const struct reason *reason, const struct err *err, const struct buf *why,
                    const struct user_names *names, const char *launchers, struct buf *out);
/* Add a reason to the reply as a header, percent-encoding control characters, '%' and non-ASCII.
 * The middle of a long one is left out. */
void reason_add_header(struct request *request, const char *text, size_t n);

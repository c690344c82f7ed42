#pragma once

/*
 * reason - why there is no action, for whoever published it.
 *
 * The platform's texts say little ("Check logs for details."), and suites compare them. So the
 * reason goes beside them, in a header of the reply: the failure in one line, then the last lines
 * that the action wrote while it started.
 */

#include "base/buf.h"
#include "base/output.h"

struct err;
struct pool;
struct request;
struct user_names;

#define REASON_HEADER "x-whiskloop-reason"

/* What a starting action writes, read along. Zeroed before use. */
struct reason {
    struct output_tap tap;
    struct output *streams[2];  /* borrowed; NULL: not listening */
    const struct pool *serving; /* borrowed; what it writes is no reason; NULL: nobody serves */
    struct buf said;            /* the last of it */
};

void reason_listen(struct reason *reason, struct output *out, struct output *err,
                   const struct pool *serving);
/* Stop reading along, and forget what was read. Any number of times. */
void reason_done(struct reason *reason);

/* Append the whole reason with the user's names. why: a compiler's words, which replace all else
 * when there are any. launchers: the folder whose stack frames are left out; NULL: unknown. */
void reason_compose(const struct reason *reason, const struct err *err, const struct buf *why,
                    const struct user_names *names, const char *launchers, struct buf *out);
/* Add it to the reply to come, percent-encoded: control characters, '%' and all that is no ASCII. A
 * long one loses its middle. */
void reason_add_header(struct request *request, const char *text, size_t n);

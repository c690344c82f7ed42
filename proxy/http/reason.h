#pragma once

/*
 * reason - tell the publisher of an action why it failed to start.
 *
 * The platform's error texts say little ("Check logs for details."), and test suites compare them.
 * So the reason goes into a header of the reply: the failure in one line, then the last lines that
 * the action wrote while it started.
 */

#include "base/buf.h"
#include "base/output.h"

struct err;
struct pool;
struct request;
struct user_names;

#define REASON_HEADER "x-whiskloop-reason"

/* Observes what an action writes while it starts. Zero it before use. */
struct reason {
    struct output_tap tap;
    struct output *streams[2]; /* borrowed; the observed logs, which may be the same; NULL: none */
    /* borrowed; the pool that serves while the action starts: what its workers write is ignored;
     * NULL: none */
    const struct pool *serving;
    const char *lacks; /* borrowed; a line that says what the built action lacks; NULL: nothing */
    struct buf said;   /* the last bytes that the starting action wrote */
};

void reason_listen(struct reason *reason, struct output *out, struct output *err,
                   const struct pool *serving);
/* Stop observing, and drop what was observed. May be called repeatedly. */
void reason_done(struct reason *reason);

/* Append to `out` why an action failed. If `why`, a compiler's message, is not empty, append only
 * that; else what the action lacks, the text of err, and what the action wrote. File names are
 * shown as the user knows them. launchers: the folder of the launchers, whose stack frames are left
 * out; NULL: unknown. */
void reason_compose(const struct reason *reason, const struct err *err, const struct buf *why,
                    const struct user_names *names, const char *launchers, struct buf *out);
/* Add text[0 .. n) to the reply as the header REASON_HEADER. Control characters, '%' and non-ASCII
 * bytes are percent-encoded. The middle of a text that is too long is left out. */
void reason_add_header(struct request *request, const char *text, size_t n);

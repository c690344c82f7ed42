#pragma once

/*
 * invoke - the command `invoke`: runs one activation and writes its answer as a line to stdout. It
 * works like `pipe` with one input line (filter/calls.h), but a failure is reported to the owner
 * and not written.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct invoke;
struct loop;
struct pool;

struct invoke_opts {
    bool any;             /* the argument and the result may be any JSON value */
    bool parts;           /* write the parts of the answer as they come */
    const char *argument; /* JSON, @FILE, or - for stdin; NULL: {} */
    /* JSON members to add to the job's line, each followed by a comma; "": none */
    const char *members;
    uint64_t run_ms;
    size_t argument_max_bytes;
    size_t answer_max_bytes; /* the workers' bound on an answer, for error texts */
};

/* Called once, from the loop. err->kind == ERR_NONE: a result was written. ERR_ACTION: the
 * activation failed, or an error that the action returned was written. */
typedef void invoke_ended_fn(void *owner, const struct err *err);

/* Read the argument, blocking, and open stdout. NULL: err filled. */
struct invoke *invoke_new(struct loop *loop, const struct invoke_opts *opts, invoke_ended_fn *ended,
                          void *owner, struct err *err);
/* Call this only while the pool does not have the job, see invoke_is_running(). */
void invoke_free(struct invoke **invoke);
/* Call this when the action is ready: gives the job to `pool`, which is borrowed until the job is
 * done. */
void invoke_serve(struct invoke *invoke, struct pool *pool);
/* Write no answer: if `ended` was not called yet, it is not called any more. */
void invoke_stop(struct invoke *invoke);
/* Whether the pool has the job now. */
bool invoke_is_running(const struct invoke *invoke);
/* Whether `ended` was called. */
bool invoke_has_ended(const struct invoke *invoke);
/* Whether `ended` was called, or the job was never given to a pool. */
bool invoke_is_done(const struct invoke *invoke);

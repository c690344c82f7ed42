#pragma once

/*
 * invoke - the command `invoke`: runs one activation and writes its answer as a line to stdout.
 * Like the command `pipe`, it uses filter/calls.h, but with a single call. If the activation fails,
 * the error is passed to the callback `ended`, and is written only if opts.parts is set.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct invoke;
struct loop;
struct pool;

struct invoke_opts {
    bool any;             /* argument and result may be any JSON value, not only object or array */
    bool parts;           /* write each part (early piece) of the answer when it comes */
    const char *argument; /* JSON, @FILE, or - for stdin; NULL: {} */
    /* JSON members to add to the job's line, each followed by a comma; "": none */
    const char *members;
    uint64_t run_ms;
    size_t argument_max_bytes;
    size_t answer_max_bytes; /* limit for an answer, to name in error texts */
};

/* Called once, from the loop. err->kind is ERR_NONE if a result was written. It is ERR_ACTION if
 * the activation failed, or if the action returned an error, which was written. Any other kind: the
 * answer could not be written. */
typedef void invoke_ended_fn(void *owner, const struct err *err);

/* Read the argument, blocking, and open stdout. NULL: err filled. */
struct invoke *invoke_new(struct loop *loop, const struct invoke_opts *opts, invoke_ended_fn *ended,
                          void *owner, struct err *err);
/* Call this only while the pool does not have the job, see invoke_is_running(). */
void invoke_free(struct invoke **invoke);
/* Call this when the action is ready: gives the job to `pool`, which is borrowed until the job is
 * done. */
void invoke_serve(struct invoke *invoke, struct pool *pool);
/* From now on, write no answer and do not call `ended`. */
void invoke_stop(struct invoke *invoke);
/* Whether the pool has the job now. */
bool invoke_is_running(const struct invoke *invoke);
/* Whether `ended` was called. */
bool invoke_has_ended(const struct invoke *invoke);
/* Whether there is nothing to wait for: `ended` was called, or no pool ever got the job. */
bool invoke_is_done(const struct invoke *invoke);

#pragma once

/*
 * invoke - the command invoke: one activation, its answer as a line on stdout. It is a pipe of one
 * line (filter/calls.h), whose failure is told to the owner instead of written.
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
    bool parts;           /* write parts of the answer as they come */
    const char *argument; /* JSON, @FILE or -; NULL: {} */
    const char *members;  /* JSON members to add, each followed by a comma, or "" */
    uint64_t run_ms;
    size_t argument_max_bytes;
    size_t answer_max_bytes; /* the workers' bound, for error texts */
};

/* Called once, from the loop. err->kind == ERR_NONE: an answer was written, be it a result or an
 * error. */
typedef void invoke_ended_fn(void *owner, const struct err *err);

/* NULL: err filled. Reads the argument, blocking. */
struct invoke *invoke_new(struct loop *loop, const struct invoke_opts *opts, invoke_ended_fn *ended,
                          void *owner, struct err *err);
/* The pool must not have the job of `invoke`. */
void invoke_free(struct invoke **invoke);
/* The action is ready. pool: borrowed until the job is done. */
void invoke_serve(struct invoke *invoke, struct pool *pool);
/* Whether the pool has the job of `invoke`. */
bool invoke_is_running(const struct invoke *invoke);
/* Whether `ended` was called. */
bool invoke_has_ended(const struct invoke *invoke);
/* Whether it has ended, or can no longer begin. */
bool invoke_is_done(const struct invoke *invoke);

#pragma once

/*
 * check - the command `test`: run an action once with each file input*.json beside the action, and
 * compare the answer with the matching file expected*.json.
 */

#include <stdbool.h>
#include <stdint.h>

struct check;
struct err;
struct loop;
struct pool;

struct check_opts {
    const char *folder; /* contains input*.json and expected*.json */
    uint64_t run_ms;
    uint64_t argument_max_bytes;
    uint64_t answer_max_bytes;
};

/* Called once, from the loop, after the last input. err->kind == ERR_NONE: each answer was the
 * expected one. */
typedef void check_ended_fn(void *owner, const struct err *err);

/* NULL: the folder contains no input*.json, and err says so. */
struct check *check_new(struct loop *loop, const struct check_opts *opts, check_ended_fn *ended,
                        void *owner, struct err *err);
/* Call only while no job of the check is in the pool. */
void check_free(struct check **check);
/* Begin to run the inputs, one after the other, in this pool. pool: borrowed. */
void check_serve(struct check *check, struct pool *pool);
bool check_is_running(const struct check *check);
/* Whether the callback `ended` was called. */
bool check_has_ended(const struct check *check);
/* Run no further input, and ignore an answer that is still to come. `ended` is not called any
 * more. */
void check_stop(struct check *check);

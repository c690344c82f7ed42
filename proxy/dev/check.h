#pragma once

/*
 * check - the command test: run an action with each input*.json beside it, and compare its answers
 * with expected*.json.
 */

#include <stdbool.h>
#include <stdint.h>

struct check;
struct err;
struct loop;
struct pool;

struct check_opts {
    const char *folder; /* in which input*.json and expected*.json are */
    uint64_t run_ms;
    uint64_t argument_max_bytes;
    uint64_t answer_max_bytes;
};

/* Called once, from the loop, after the last input. err->kind == ERR_NONE: each answer was the
 * expected one. */
typedef void check_ended_fn(void *owner, const struct err *err);

/* NULL: there are no inputs, and err says so. */
struct check *check_new(struct loop *loop, const struct check_opts *opts, check_ended_fn *ended,
                        void *owner, struct err *err);
/* Call only while the pool does not have the check's job. */
void check_free(struct check **check);
/* Begin with the first input. pool: borrowed. */
void check_serve(struct check *check, struct pool *pool);
bool check_is_running(const struct check *check);
/* Whether `ended` was called. */
bool check_has_ended(const struct check *check);
/* Run no further input. */
void check_stop(struct check *check);

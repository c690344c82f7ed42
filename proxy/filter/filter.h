#pragma once

/*
 * filter - the command pipe: lines in, each the body of a /run, and for each an answer out, in the
 * same order.
 *
 * Lines and answers are held in memory up to a bound. Beyond it nothing is read, so that the
 * pressure reaches who writes too much or reads too little. When the reader of a named pipe leaves,
 * what its peer had written up to then is dropped.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct filter;
struct loop;
struct pool;

struct filter_opts {
    const char *in;          /* a named pipe; NULL: stdin */
    const char *out;         /* ...; NULL: stdout */
    const char *members;     /* JSON members for each line, each with a comma behind it; "" */
    uint64_t run_ms;         /* limit of one activation */
    size_t line_max_bytes;   /* longest line */
    size_t answer_max_bytes; /* as the workers have it, for texts */
    size_t held_max_bytes;   /* lines and answers held before reading stops */
    bool parts;              /* write parts of answers as they come */
    unsigned given_max;      /* jobs that the pool has at a time; it must take so many */
};

/* All has been read and answered: err->kind == ERR_NONE. Or it cannot go on. Told once, from the
 * loop. */
typedef void filter_ended_fn(void *owner, const struct err *err);

/* NULL: err filled. Reads from the first turn on. */
struct filter *filter_new(struct loop *loop, const struct filter_opts *opts, filter_ended_fn *ended,
                          void *owner, struct err *err);
/* After the loop has ended: write what is left, for up to wait_ms. Returns how many answers nobody
 * took. */
size_t filter_finish(struct filter *filter, int wait_ms);
/* The pool must have none of its jobs. */
void filter_free(struct filter **filter);

/* The action is there; pool: borrowed until filter_free(). */
void filter_serve(struct filter *filter, struct pool *pool);
/* Read no further; what was read is answered. */
void filter_close(struct filter *filter);
/* Begin nothing any more; what had not begun is answered so. */
void filter_stop(struct filter *filter);

/* Jobs that the pool has. */
size_t filter_n_running(const struct filter *filter);
/* Whether all that was read is answered, and the answers written. */
bool filter_is_done(const struct filter *filter);

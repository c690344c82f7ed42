#pragma once

/*
 * filter - the command pipe: each input line is the body of a /run; each gets one answer line, in
 * the order of the lines or, if the line has an id, as soon as the answer is there.
 *
 * Lines and answers are held in memory up to a bound. When it is reached, reading stops, which
 * slows a peer that writes too much or reads too little. When the reader of a named pipe leaves,
 * the lines that its peer has written up to then are dropped.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "filter/call_line.h"

struct err;
struct filter;
struct loop;
struct pool;

struct filter_opts {
    const char *in;          /* a named pipe; NULL: stdin */
    const char *out;         /* a named pipe; NULL: stdout */
    const char *members;     /* JSON members for each line, each followed by a comma, or "" */
    uint64_t run_ms;         /* limit of one activation */
    size_t line_max_bytes;   /* longest line */
    size_t answer_max_bytes; /* the workers' bound, for error texts */
    size_t held_max_bytes;   /* lines and answers held before reading stops */
    enum call_form form;     /* the form of lines and results */
    bool announces;          /* write {"ready":true} when the action is loaded, or why it is not */
    bool parts;              /* write parts of answers as they come */
    unsigned given_max;      /* jobs in the pool at a time; it must accept this many */
};

/* Called once, from the loop. err->kind == ERR_NONE: all input was read and answered. Otherwise the
 * filter cannot go on. */
typedef void filter_ended_fn(void *owner, const struct err *err);

/* NULL: err filled. Reading starts with the first turn of the loop. */
struct filter *filter_new(struct loop *loop, const struct filter_opts *opts, filter_ended_fn *ended,
                          void *owner, struct err *err);
/* After the loop has ended: write what is left, for up to wait_ms. Returns the number of answers
 * that the reader has not taken. */
size_t filter_finish(struct filter *filter, int wait_ms);
/* The pool must have none of the filter's jobs. */
void filter_free(struct filter **filter);

/* The action is ready; pool: borrowed until filter_free(). */
void filter_serve(struct filter *filter, struct pool *pool);
/* Stop reading; lines that were read are still answered. */
void filter_close(struct filter *filter);
/* Start no further activation; those not started are answered with an error. */
void filter_stop(struct filter *filter);
/* Like filter_stop(), because the action could not be started. why: copied. */
void filter_fail(struct filter *filter, const char *why);

/* Jobs that the pool has. */
size_t filter_n_running(const struct filter *filter);
/* Whether every line that was read is answered and the answers are written. */
bool filter_is_done(const struct filter *filter);

#pragma once

/*
 * filter - the command `pipe`: answers each input line, the body of a /run request, with one output
 * line. Answers come in the order of the lines; the answer to a line with an id comes as soon as it
 * is there.
 *
 * Lines and answers are held in memory up to a bound. When it is reached, reading stops, which
 * slows a peer that writes too much or reads too little. When the reader of a named output pipe
 * leaves, the lines that were written to us before that are dropped.
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
    const char *in;      /* path of a named pipe to read; NULL: stdin */
    const char *out;     /* path of a named pipe to write; NULL: stdout */
    const char *members; /* JSON members to add to each line, each followed by a comma; "": none */
    uint64_t run_ms;     /* time limit of one activation */
    bool no_deadlines;   /* ignore the deadlines that lines have */
    size_t line_max_bytes;   /* longest input line */
    size_t answer_max_bytes; /* limit for an answer, to name in error texts */
    size_t held_max_bytes;   /* reading stops while so many bytes of lines and answers are held */
    enum call_form form;     /* how to read lines and to write results */
    /* write {"ready":true} when the action is ready, or a line that says why it is not */
    bool announces;
    bool parts;         /* write each part (early piece) of an answer when it comes */
    unsigned given_max; /* most jobs in the pool at a time; the pool must accept this many */
};

/* Called once, from the loop, when the filter has ended. err->kind == ERR_NONE: all input was read
 * and answered. Otherwise err says why the filter cannot go on. */
typedef void filter_ended_fn(void *owner, const struct err *err);

/* Open input and output; reading starts in the loop's first turn. NULL: err filled. */
struct filter *filter_new(struct loop *loop, const struct filter_opts *opts, filter_ended_fn *ended,
                          void *owner, struct err *err);
/* Call this after the loop has ended: writes the answers that are left, for up to wait_ms. Returns
 * the number of answers that are not fully written; 0 also if writing failed. */
size_t filter_finish(struct filter *filter, int wait_ms);
/* Call this only while the pool has none of the filter's jobs. */
void filter_free(struct filter **filter);

/* Call this when the action is ready: lines are given to `pool` from now on. pool: borrowed until
 * filter_free(). */
void filter_serve(struct filter *filter, struct pool *pool);
/* Stop reading. Lines that were taken from the input are still answered; all others are dropped. */
void filter_close(struct filter *filter);
/* Stop reading, and give no more jobs to the pool. Lines that still wait are answered with an
 * error. */
void filter_stop(struct filter *filter);
/* Like filter_stop(), but for an action that could not be started. why: the reason, for the errors
 * that answer the waiting lines; copied. reason: a longer text, `why` and what the action has
 * written, for the line that opts.announces asks for; NULL: there is no such text. */
void filter_fail(struct filter *filter, const char *why, const char *reason);

/* How many jobs of the filter the pool has: queued and running. */
size_t filter_n_running(const struct filter *filter);
/* Whether the input has ended and all answers are written, also the line that opts.announces asks
 * for. */
bool filter_is_done(const struct filter *filter);

#pragma once

/*
 * calls - hold input lines until their answers have been written: in the order of the lines, or,
 * where a line has an id, as soon as there is an answer.
 *
 * Each line becomes one call, which is given to the action, or answered at once if the line is
 * unusable. This module owns no descriptor. It counts the bytes that it holds, so that the owner
 * can stop reading or giving.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/list.h"
#include "filter/call_line.h"
#include "worker/job.h"

struct calls;

struct call {
    struct list node;    /* in `all` */
    struct list leaving; /* in `leaving` of `calls`, or in no list */
    struct job job;
    struct calls *calls; /* borrowed */
    char *id;            /* "[ID,", the start of its answer; owned; NULL: no id */
    size_t n_id;
    uint64_t end_at;  /* offset in the input after its line */
    bool given;       /* the pool has, or had, its job */
    bool ended;       /* finished; `text` is the answer to write */
    bool unwanted;    /* the reader has left: write no answer */
    bool silent;      /* finished, with no line to write */
    struct buf lines; /* parts to write before the answer; each with its newline */
    char *text;       /* the answer; owned; no newline */
    size_t len;
};

struct calls_opts {
    const char *members;     /* JSON members for each line, each followed by a comma; the line's own
                                win; "" or NULL: none; borrowed */
    uint64_t run_ms;         /* limit of one activation; the line's deadline may be sooner */
    size_t line_max_bytes;   /* for error texts */
    size_t answer_max_bytes; /* for error texts */
    enum call_form form;     /* the form of lines and results */
    bool wants_object;       /* refuse what contract_is_argument() refuses */
    bool is_bare;            /* write answers unchanged, and no line where there is none */
    job_done_fn *done;       /* must call calls_done() */
    job_parts_fn *on_parts;  /* must call calls_take_parts(); NULL: parts are not wanted */
};

/* Invariant: n_given <= n; `next` and all behind it are not given. */
struct calls {
    struct calls_opts opts;
    struct list all;     /* oldest first */
    struct list leaving; /* calls that have something to write, the first one perhaps in part */
    struct call *head;   /* the oldest call without an id that has not ended; NULL: none */
    struct call *next;   /* the first call not yet given; NULL: none */
    size_t n;            /* in `all` */
    size_t n_given;      /* how many of them the pool has now */
    size_t line_bytes;   /* bytes held for the lines of calls that have not ended */
    size_t answer_bytes; /* bytes held for parts, and for answers of ended calls */
    size_t written;      /* bytes of the first answer in `leaving` that were written */
};

void calls_init(struct calls *calls, const struct calls_opts *opts);
/* The pool must hold none of the calls' jobs. */
void calls_free(struct calls *calls);

/* Add a line, without its newline. now_ms: loop time; end_at: offset in the input after it. */
void calls_add(struct calls *calls, const char *line, size_t n, uint64_t now_ms, uint64_t end_at);
/* Add a line that was longer than line_max_bytes. */
void calls_add_too_long(struct calls *calls, uint64_t end_at);
/* Add the line of a job, as from contract_set_line(). line: taken over. */
void calls_add_made(struct calls *calls, char *line, size_t n);

/* Write a line that is no answer, ahead of all answers that are not in `leaving` yet. text: taken
 * over. */
void calls_say(struct calls *calls, struct buf *text);

/* The next job for the pool, which must take it; NULL: there is none. */
struct job *calls_give(struct calls *calls);
/* Take back a job that the pool has finished. */
void calls_done(struct calls *calls, struct job *job);

/* Take the parts of a job's answer that have come. */
void calls_take_parts(struct calls *calls, struct job *job);

/* Answer all calls not yet given. why: why the action could not be started; NULL: the end is
 * forced. */
void calls_abandon(struct calls *calls, const char *why);

/* What to write next, in at most `max` pieces. Returns their number; 0: nothing. */
int calls_answers(const struct calls *calls, struct iovec *pieces, int max);
/* n bytes of the pieces of calls_answers() were written. */
void calls_wrote(struct calls *calls, size_t n);

/* The reader has left: drop answers to lines up to this offset. Those that the pool holds are
 * dropped when they end, the others at once. */
void calls_drop(struct calls *calls, uint64_t up_to);

/* Bytes held for all calls. */
static inline size_t calls_held(const struct calls *calls)
{
    return calls->line_bytes + calls->answer_bytes;
}

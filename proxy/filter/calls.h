#pragma once

/*
 * calls - hold input lines until their answers have been written. Answers are written in the order
 * of the lines; the answer to a line with an id is written as soon as it is there.
 *
 * Each line becomes one call, whose job is given to the pool. For an invalid line, the call ends at
 * once with an error, and the pool does not get its job. This module owns no descriptor. It counts
 * the bytes that it holds, so that its owner can stop reading lines or giving jobs.
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
    struct list node;    /* in calls->all */
    struct list leaving; /* in calls->leaving while there is something to write, else in no list */
    struct job job;
    struct calls *calls; /* borrowed */
    char *id;            /* owned; "[ID,", with which the answer begins; NULL: no id */
    size_t n_id;
    uint64_t end_at;  /* input offset of the end of the call's line */
    bool given;       /* the job was given to the pool, which may have finished it since */
    bool ended;       /* finished; `text` is the answer to write */
    bool unwanted;    /* the reader of the answer has left: write none */
    bool silent;      /* finished, and there is no answer to write */
    struct buf lines; /* a line for each part (early piece) of the answer; written before `text` */
    char *text;       /* owned; the answer, without a newline */
    size_t len;
};

struct calls_opts {
    /* borrowed; JSON members to add to each line, each followed by a comma; "" or NULL: none. If
     * the line has a member of the same name, the line's value counts. */
    const char *members;
    uint64_t run_ms;         /* time limit of one activation; a line's own deadline may be sooner */
    uint64_t began_at_ms;    /* loop time; no line was written for a deadline that passed before */
    bool no_deadlines;       /* ignore the deadlines that lines have */
    size_t line_max_bytes;   /* limit for a line, to name in error texts */
    size_t answer_max_bytes; /* limit for an answer, to name in error texts */
    enum call_form form;     /* how to read lines and to write results */
    bool wants_object;       /* refuse an argument that is a string, number or boolean */
    /* unless on_parts is set: write answers unchanged, and nothing for a job without an answer */
    bool is_bare;
    job_done_fn *done; /* called when a job has finished; must call calls_done() */
    /* called when parts (early pieces) of an answer have come; must call calls_take_parts(). NULL:
     * write each answer only when it is whole. */
    job_parts_fn *on_parts;
};

/* Invariants: n_given <= n. The pool never got `next` or any call after `next` in `all`. */
struct calls {
    struct calls_opts opts;
    struct list all;     /* all calls, oldest first */
    struct list leaving; /* calls with something to write, in the order of writing */
    struct call *head;   /* the oldest call without an id that has not ended; NULL: none */
    struct call *next;   /* the next call to give to the pool; NULL: none */
    size_t n;            /* number of calls in `all` */
    size_t n_given;      /* number of calls whose job the pool has now */
    size_t line_bytes;   /* bytes held for the lines of calls that have not ended */
    size_t answer_bytes; /* bytes held for the `lines` of all calls, and for ended calls */
    size_t written;      /* bytes already written of the answer of the first call in `leaving` */
};

void calls_init(struct calls *calls, const struct calls_opts *opts);
/* Call this only while the pool has none of the calls' jobs. */
void calls_free(struct calls *calls);

/* Add a call for an input line, given without its newline. now_ms: loop time. end_at: input offset
 * of the end of the line. */
void calls_add(struct calls *calls, const char *line, size_t n, uint64_t now_ms, uint64_t end_at);
/* Add a call for a line longer than line_max_bytes, which is answered with an error. */
void calls_add_too_long(struct calls *calls, uint64_t end_at);
/* Add a call for which no input line was read. line: the job's line, made by contract_set_line();
 * taken over. */
void calls_add_made(struct calls *calls, char *line, size_t n);

/* Queue a line that answers no input, behind what is in calls->leaving already. text: the line
 * without a newline; taken over. */
void calls_say(struct calls *calls, struct buf *text);

/* Returns the next job, which the caller must give to the pool; NULL: there is none. */
struct job *calls_give(struct calls *calls);
/* Call this when the pool has finished a job: takes the job's answer. */
void calls_done(struct calls *calls, struct job *job);

/* Queue the parts of this job's answer that have come, to be written. While many bytes of its parts
 * are unwritten, leave new parts in the job. */
void calls_take_parts(struct calls *calls, struct job *job);

/* End all calls whose job the pool never got, with an error as answer. why: the reason why the
 * action could not be started; NULL: the reason is that we are shutting down. */
void calls_abandon(struct calls *calls, const char *why);

/* Set `pieces` to what must be written next, at most `max` pieces. Returns their number; 0:
 * nothing. */
int calls_answers(const struct calls *calls, struct iovec *pieces, int max);
/* Call this after writing n bytes of the pieces from calls_answers(). */
void calls_wrote(struct calls *calls, size_t n);

/* Drop the answers to all lines that end at or before input offset up_to, since their reader has
 * left. Calls whose job the pool has are dropped when the job is done, all others at once. */
void calls_drop(struct calls *calls, uint64_t up_to);

/* Bytes held for all calls. */
static inline size_t calls_held(const struct calls *calls)
{
    return calls->line_bytes + calls->answer_bytes;
}

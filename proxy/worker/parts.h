#pragma once

/*
 * parts - what an activation sends before its answer, until the job's maker takes it.
 *
 * A job with `on_parts` is a stream: its parts are taken as they come, and its worker is paused
 * while PARTS_HELD_MAX bytes are not taken. The parts of other jobs are kept: if there is no other
 * answer, the list of parts is the answer. Source: runtime/README.md, "Answers in parts".
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"

struct job;

#define PARTS_HELD_MAX 262144 /* bytes of a stream not taken at which its worker is paused */

struct parts {
    struct list node;  /* in the session's `spoke` while the pool has not seen the parts */
    struct job *job;   /* the job to which they belong */
    struct buf bytes;  /* whole parts not taken yet, each a JSON document and a newline */
    uint64_t n;        /* how many have come */
    bool too_long;     /* a part or the list passed the bound; the rest is dropped */
    const char *fault; /* static: what is wrong with a part; the rest is dropped. NULL: nothing */
};

/* Add a part, not checked yet. max_bytes: bound on one part and on the list. */
void parts_add(struct job *job, const char *text, size_t n, size_t max_bytes);
/* Record a part that was longer than its bound. */
void parts_add_too_long(struct job *job);

/* Step through the parts that were not taken. Start with *at = 0; after a step it is the number of
 * bytes up to the end of that part. text: borrowed. false: there are no more. */
bool parts_next(const struct job *job, size_t *at, const char **text, size_t *n);

/* Whether the job's worker must be paused. */
bool parts_are_full(const struct job *job);
/* Drop the first n bytes, which were taken; a paused worker goes on. */
void parts_took(struct job *job, size_t n);

/* Whether a part was wrong, so that the answer is an error. */
bool parts_are_bad(const struct job *job);
/* Whether the job was cancelled because its client left, not because a part was wrong. */
bool parts_client_left(const struct job *job);

/* Make the parts the answer: null for a stream, their list for any other job. */
void parts_become_answer(struct job *job);

void parts_free(struct job *job);

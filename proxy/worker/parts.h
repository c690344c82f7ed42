#pragma once

/*
 * parts - pieces of an answer that an activation sends before its end. They are kept until the code
 * that made the job takes them.
 *
 * A job with `on_parts` is a stream: its parts are taken as they come, and its worker is paused
 * while PARTS_HELD_MAX bytes or more wait to be taken. The parts of other jobs are kept to the end:
 * if no other answer comes, a JSON array of the parts is the answer. Source: runtime/README.md,
 * "Answers in parts".
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"

struct job;

/* the worker of a job with on_parts is paused when this many bytes of its parts wait to be taken */
#define PARTS_HELD_MAX 262144

struct parts {
    struct list node; /* in the list session.spoke until the pool is told that parts came */
    struct job *job;  /* the job that the parts belong to */
    struct buf bytes; /* whole parts not taken yet, each a JSON document and a newline */
    uint64_t n;       /* how many parts have come, taken or not */
    bool too_long;    /* one part, or all held parts together, exceeded a limit: drop later ones */
    /* why a part is malformed, a static text; later parts are dropped; NULL: none is malformed */
    const char *fault;
};

/* Check a part and add it to the job. max_bytes: longest part, and longest JSON array of parts. */
void parts_add(struct job *job, const char *text, size_t n, size_t max_bytes);
/* Record that the action sent a part longer than allowed, and cancel the job. */
void parts_add_too_long(struct job *job);

/* Iterate over the parts that were not taken. Start with *at = 0. Each call sets *text (borrowed)
 * and *n to the next part, and *at to the number of bytes up to its end. false: no more parts. */
bool parts_next(const struct job *job, size_t *at, const char **text, size_t *n);

/* Whether the job's worker must pause: the job has on_parts, is not cancelled, and PARTS_HELD_MAX
 * bytes or more of its parts wait to be taken. */
bool parts_are_full(const struct job *job);
/* Remove the first n bytes of the parts, which were taken. If the worker was paused and fewer than
 * PARTS_HELD_MAX bytes are left, it goes on. */
void parts_took(struct job *job, size_t n);

/* Whether a part was malformed or too long, so that the job must end with an error. */
bool parts_are_bad(const struct job *job);
/* Whether the job was cancelled because its client left, not because a part was wrong. */
bool parts_client_left(const struct job *job);

/* Set the answer of a job that sent only parts: null if it has on_parts, else a JSON array of the
 * parts. */
void parts_become_answer(struct job *job);

void parts_free(struct job *job);

#pragma once

/*
 * parts - what an activation sends before its answer, until the maker of its job has taken it.
 *
 * A job with `on_parts` streams: its parts are taken as they come, and its worker is made to wait
 * while PARTS_HELD_MAX bytes of them are not taken. Parts of any other job are kept, for its answer
 * is their list where it has no other. Source: runtime/README.md, "Answers in parts".
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"

struct job;

#define PARTS_HELD_MAX 262144 /* bytes of one stream before its worker waits */

struct parts {
    struct list node;     /* among those that have something to tell */
    struct job *job;      /* whose they are */
    struct buf bytes;     /* whole parts that were not taken, each a JSON document and a newline */
    uint64_t n;           /* that have come */
    uint64_t first_at_us; /* loop time at which the first came */
    bool too_long;     /* one of them, or a list of them, passed the bound; the rest is dropped */
    const char *fault; /* static: why one of them is none; the rest is dropped. NULL: all are */
};

/* One part, whatever it is. max_bytes: for one, and for a list of them. */
void parts_add(struct job *job, const char *text, size_t n, size_t max_bytes, uint64_t now_us);
/* One part that was longer than its bound. */
void parts_add_too_long(struct job *job, uint64_t now_us);

/* Whether the job's worker is to wait before it sends more. */
bool parts_are_full(const struct job *job);
/* The first n bytes were taken: they are dropped, and a worker that waits goes on. */
void parts_took(struct job *job, size_t n);

/* Whether the answer, when it comes, counts for nothing as a part was wrong. */
bool parts_are_bad(const struct job *job);

/* There is no answer but the parts: for a stream it is null, for any other job their list. */
void parts_become_answer(struct job *job);

void parts_free(struct job *job);

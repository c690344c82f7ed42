#pragma once

/*
 * inside - what the files of the library know of each other; not for actions.
 *
 *     serve.c     lines in: reads, cuts, calls
 *     out.c       answers out, in batches, and the order between them and the log
 *     variables.c metadata as environment variables
 *     argument.c  reading values
 *     answer.c    writing them
 *     parts.c     answers in parts
 *
 * The JSON and buffer code is the proxy's, compiled a second time under other names (names.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "whisk_action.h"

#define LINE_MAX_BYTES   (64u << 20) /* the proxy's own bound for the body of a /run */
#define ANSWER_MAX_BYTES (64u << 20)
#define KEEP_BYTES       (4u << 20) /* memory kept between activations */
#define NESTING_MAX      64         /* open objects and arrays in an answer: bits of a word */

struct chunk; /* memory of one activation, see whisk_alloc() */

struct whisk {
    struct json_slice line;  /* the whole object; {} for null */
    struct json_slice value; /* the argument */
    struct buf answer;
    char error[256]; /* not empty: why the answer is no good */
    uint64_t arrays; /* bit i: nesting level i is an array */
    uint64_t filled; /* bit i: it has a part already */
    unsigned depth;
    bool implied;   /* level 0 is an object that a key began */
    bool begun;     /* something is in the answer */
    bool in_text;   /* between whisk_begin_text() and whisk_end() */
    char cut[4];    /* the first bytes of a character that whisk_more() cut */
    unsigned n_cut; /* how many */
    struct chunk *chunks;
    bool sends_parts; /* to a proxy; else they are kept, for the answer is their list */
    bool has_left;    /* the caller: a control line said so */
    uint64_t n_parts;
    struct buf parts; /* what is kept, with a comma behind each; or the line of one part */
};

/* answer.c: end the answer; what is in w->answer is one document then. status: the handler's. */
void answer_close(struct whisk *w, int status);
/* Put {"error":text} in the place of whatever was appended. */
void answer_error(struct whisk *w, const char *text);
/* End what is open in w->answer. */
void answer_end(struct whisk *w);
/* Remember what went wrong first, it is what the activation ends with; returns -1. */
int answer_refuse(struct whisk *w, const char *why);
/* Begin a new answer, or part. */
void answer_restart(struct whisk *w);
/* Put the parts in the place of an answer to which nothing was appended. */
void parts_close(struct whisk *w);
/* serve.c: look, without waiting, whether the input says that the caller has left. */
void serve_look_ahead(struct whisk *w);
/* Forget all of the last activation. */
void whisk_reset(struct whisk *w);
void whisk_done(struct whisk *w);

/* variables.c: set __OW_NAME for the line's members, take back what the last line had only. */
void variables_set(struct json_slice line);

/* out.c: put the descriptors in order; false: errno tells why not. *in gets where lines come from.
 * announces: say that we are ready, and how far ahead lines may be written. */
bool out_open(int *in, bool announces);
/* Whether this process is the one that out_open() was called in, and no fork of it. */
bool out_is_ours(void);
/* One activation's answer; the newline is added. What it has printed leaves before. */
void out_answer(const char *text, size_t n);
/* A line that leaves at once, its newline included. What was printed leaves before. */
void out_part(const char *line, size_t n);
/* Handlers are at work: answers that wait are written even if this one never returns. */
void out_wake(void);
/* Write what waits. false: nobody reads any more. */
bool out_flush(void);

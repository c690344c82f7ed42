#pragma once

/*
 * inside - the declarations that the library's files share; not for actions.
 *
 *     serve.c     reads input, cuts it into lines and calls the handler
 *     out.c       writes answers in batches, and keeps them in order with the log
 *     variables.c sets metadata as environment variables
 *     argument.c  reads the argument
 *     answer.c    writes the answer
 *     parts.c     sends an answer in parts
 *
 * The JSON and buffer code is the proxy's, compiled a second time under other names (names.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "whisk_action.h"

#define LINE_MAX_BYTES   (64u << 20) /* the proxy's default bound for the body of a /run */
#define ANSWER_MAX_BYTES (64u << 20)
#define KEEP_BYTES       (4u << 20) /* memory kept between activations */
#define NESTING_MAX      64 /* most open objects and arrays in an answer: one bit for each */

struct chunk; /* a block of memory of one activation, see whisk_alloc() */

struct whisk {
    struct json_slice line;  /* the whole input line, an object; {} if the line is null */
    struct json_slice value; /* the argument */
    struct buf answer;
    char error[256]; /* why the activation fails; empty: it does not */
    uint64_t arrays; /* bit i: nesting level i is an array */
    uint64_t filled; /* bit i: nesting level i has a member or an item already */
    unsigned depth;
    bool implied;   /* level 0 is an object that was begun by a key, not by whisk_begin_object() */
    bool begun;     /* something was appended to the answer */
    bool in_text;   /* between whisk_begin_text() and whisk_end() */
    char cut[4];    /* first bytes of a UTF-8 character whose rest the next whisk_more() brings */
    unsigned n_cut; /* number of bytes in `cut` */
    struct chunk *chunks;
    bool sends_parts; /* parts are sent to a proxy; false: they are kept, and answered as a list */
    bool has_left;    /* a control line said that the caller has left */
    uint64_t n_parts;
    struct buf parts; /* the kept parts, each with a comma behind it; or the one part being sent */
};

/* answer.c: end the answer, so that w->answer is the line to send. status: what the handler has
 * returned. */
void answer_close(struct whisk *w, int status);
/* Replace all that was appended to the answer by {"error":text}. */
void answer_error(struct whisk *w, const char *text);
/* Close the text, the objects and the arrays that are open in w->answer. */
void answer_end(struct whisk *w);
/* Remember `why` as the error with which the activation ends, unless there is one already. Returns
 * -1. */
int answer_refuse(struct whisk *w, const char *why);
/* Empty w->answer, to begin a new answer or the next part. */
void answer_restart(struct whisk *w);
/* parts.c: answer with the parts alone, if nothing was appended after the last one. */
void parts_close(struct whisk *w);
/* serve.c: read what input there is, without waiting, and set w->has_left if a line in it says that
 * the caller has left. */
void serve_look_ahead(struct whisk *w);
/* Forget the last activation, to begin the next one. */
void whisk_reset(struct whisk *w);
void whisk_done(struct whisk *w);

/* variables.c: set __OW_NAME for each member of the line but "value", and undo the variables that
 * only earlier lines had. */
void variables_set(struct json_slice line);

/* out.c: set up the descriptors. *in: gets the one to read lines from. announces: write the ready
 * line, which tells how many lines may be written ahead. false: see errno. */
bool out_open(int *in, bool announces);
/* Whether this is the process that called out_open(), and not a fork of it. */
bool out_is_ours(void);
/* Send one activation's answer; the newline is added. What the activation has printed is written
 * first. */
void out_answer(const char *text, size_t n);
/* Write a line, which has its newline, at once. What was printed before is written first. */
void out_part(const char *line, size_t n);
/* Call before a handler: waiting answers are then written even if the handler never returns. */
void out_wake(void);
/* Write the waiting answers and printed text. false: nobody reads the answers any more. */
bool out_flush(void);

#pragma once

/*
 * call_line - parse one input line of the command `pipe`. A line is BODY, the body of a /run
 * request, or [ID,BODY]. With the option --any, BODY may also be a string, number or boolean. With
 * --text, a line is plain text. This module does no input or output.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "worker/contract.h"

#define CALL_ID_MAX 256 /* most bytes of an id; each line held in memory has a copy of its id */

enum call_form {
    CALL_BODY, /* the line is a body: {"value":{…}} */
    CALL_ANY, /* a body, or the argument itself if it is a string, number or boolean, such as 100 */
    CALL_TEXT, /* the line is plain text; the argument is {"line":"TEXT"} */
};

struct call_line {
    const char *id; /* the id as JSON text, borrowed from the line; NULL: no id */
    size_t n_id;
    /* points into the line or into `made`; if the line's body is null, to a static {} */
    struct contract_body body;
    struct buf made; /* owned; the body if it had to be built, else empty */
};

/* Parse text[0 .. n). false: `why` says what is wrong; line->id is set if the id could be read. */
bool call_line_read(struct call_line *line, enum call_form form, const char *text, size_t n,
                    char *why, size_t size);
void call_line_done(struct call_line *line);

/* Append an answer to `out` as one line of text, without a newline: a string unquoted, any other
 * value as JSON. false: the answer is null, and nothing was appended. */
bool call_line_result(struct buf *out, const char *answer, size_t n);

#pragma once

/*
 * call_line - parse an input line of `pipe`: the body of a /run; an id and such a body; or, by
 * option, any JSON value or plain text. No input or output in here.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "worker/contract.h"

#define CALL_ID_MAX 256 /* bytes; each line that is held has a copy of its id */

enum call_form {
    CALL_BODY, /* bodies: {"value":{…}} */
    CALL_ANY,  /* like CALL_BODY, or a bare argument that is no object or array, such as 100 */
    CALL_TEXT, /* text: the argument is {"line":"…"} */
};

struct call_line {
    const char *id; /* JSON as it stands in the line; NULL: none */
    size_t n_id;
    struct contract_body body; /* borrowed from the line or from `made`, or static */
    struct buf made;           /* owned */
};

/* Parse text[0 .. n). false: why is filled, and the id is set if it could be read. */
bool call_line_read(struct call_line *line, enum call_form form, const char *text, size_t n,
                    char *why, size_t size);
void call_line_done(struct call_line *line);

/* Append the result as a line of text: a string unquoted, anything else as JSON. false: it is null,
 * and nothing was appended. */
bool call_line_result(struct buf *out, const char *answer, size_t n);

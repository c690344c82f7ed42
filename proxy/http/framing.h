#pragma once

/*
 * framing - find where an HTTP/1 request ends: parse its head, and a chunked body. The parser is as
 * strict as RFC 9112 allows: where two programs parse the same bytes differently, an attacker can
 * hide a second request in them.
 *
 * The parser uses no socket and no clock. docs/framing.md has a table of all cases.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/span.h"

#define HEAD_MAX_BYTES    65536
#define HEAD_MAX_FIELDS   100 /* libh2o has no room for more */
#define TARGET_MAX_BYTES  16384
#define TRAILER_MAX_BYTES 8192 /* most bytes of all trailer fields of a chunked body */
#define CHUNK_EXT_MAX     4096 /* most bytes of one chunk's size line, with its extension */
#define LENGTH_MAX_DIGITS 18   /* most digits of a Content-Length given to libh2o, which takes 19 */

enum framing {
    FRAMING_MORE, /* incomplete: more input is needed */
    FRAMING_WHOLE,
    FRAMING_BAD, /* invalid, see status and why; later input must not be parsed as a request */
};

/* A request's head. The spans point into the text that was read. */
struct head {
    size_t n_skipped; /* length of an empty line before the head: 2; 0: there is none */
    size_t n; /* bytes of the whole head, with n_skipped and with the empty line at its end */
    struct span method;
    struct span target;    /* without scheme and authority; an empty path means "/" */
    struct span authority; /* host and port of an absolute target; text NULL: not absolute */
    struct span fields;    /* all header lines, each with its CRLF */
    int minor;             /* minor version of HTTP/1: 0 or 1 */
    bool is_chunked;
    bool has_length;
    uint64_t length;       /* length of the body, if has_length */
    bool expects_continue; /* Expect: 100-continue */
    bool closes;           /* Connection: close */
    bool as_it_is;         /* the head can be given to libh2o unchanged */
    int status;            /* status of the reply to a bad head */
    const char *why;       /* text for the reply: what is wrong; a string constant */
};

/* Read a head from text[0 .. n). */
enum framing head_read(struct head *head, const char *text, size_t n);

/* Get the next line of head.fields. Start with *at == 0. false: there are no more. */
bool head_next_field(struct span fields, size_t *at, struct span *name, struct span *value,
                     struct span *line);
/* Whether the span is a token (RFC 9110 5.6.2). Methods and names of fields must be tokens. */
bool span_is_token(struct span span);
/* Whether the span can be a field's value (RFC 9110 5.5): it has no control character but tabs. */
bool span_is_value(struct span span);

/* ---- a chunked body ---- */

enum chunk_state {
    CHUNK_SIZE,
    CHUNK_BLANK, /* blanks before the extension */
    CHUNK_EXT,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER_START,
    CHUNK_TRAILER_NAME,
    CHUNK_TRAILER_VALUE,
    CHUNK_TRAILER_LF,
    CHUNK_END_LF,
    CHUNK_END,
};

/* The state of parsing one chunked body. The caller zeroes it before use. */
struct chunks {
    enum chunk_state state;
    uint64_t left;     /* bytes of this chunk's data still to come */
    unsigned n_digits; /* digits of this chunk's size so far */
    size_t n_line;     /* bytes so far of the size line, or of all trailers */
    const char *why;   /* what is wrong; a string constant */
};

/* Parse text[0 .. n) up to the end of the next piece of chunk data, or of the body. *n_used: number
 * of bytes parsed. *data: those bytes that belong to the body; points into text. */
enum framing chunks_read(struct chunks *chunks, const char *text, size_t n, size_t *n_used,
                         struct span *data);

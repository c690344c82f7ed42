#pragma once

/*
 * inside - what the files of the Python launcher's accelerator know of each other.
 *
 *     accelerator.c  the module, and one activation from line to answer
 *     lines.c        lines in, answers out
 *     request.c      a line's members: the argument, and the metadata as it stands there
 *     environment.c  metadata as environment variables
 *     decode.c       JSON to Python objects
 *     encode.c       Python objects to JSON
 *
 * What is unusual is left to the launcher's Python code, which alone knows all of the contract: a
 * function here says so by `false` or NULL, with no exception raised and nothing done.
 */

/* Sizes are Py_ssize_t; must stand before the include. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define NESTING_MAX 128 /* levels; beyond them Python decides what is too deep */
#define ANSWER_MAX_BYTES                                                                           \
    (64u << 20)        /* encoded here; of more, Python makes bytes or a MemoryError */
#define MEMBERS_MAX 32 /* of a line; the platform sends eight */

/* ---- decode.c ---- */

/*
 * The value that begins at *at, as json.loads() makes it; *at is behind it then. New reference.
 * NULL: it is no JSON, or rare. Bytes at [*at, end) are read, none else.
 */
PyObject *decode_value(const uint8_t **at, const uint8_t *end);

/* ---- encode.c ---- */

/* Append the document as json.dumps() writes it with the launcher's options. false: `out` may hold
 * a part of it. */
bool encode_document(struct buf *out, PyObject *document);

/* ---- request.c ---- */

/* A key and its value as they stand in the line; borrowed from it. */
struct member {
    const char *key; /* with its quotes; plain ASCII without escapes */
    size_t n_key;
    const char *raw; /* the value, with its quotes if it is a text */
    size_t n_raw;
    bool known; /* the last line had the same key at this place */
    bool same;  /* and the same value, byte by byte */
    bool plain; /* a text in ASCII without escapes */
};

struct request {
    PyObject *value; /* owned; NULL: there is none, or null */
    struct member members[MEMBERS_MAX];
    size_t n_members;
};

/* Read a line. false: request->value is NULL, and all of the line is Python's. */
bool request_read(struct request *request, const char *line, size_t n);

/* ---- environment.c ---- */

/* metadata: the launcher's object of class Metadata, borrowed. false: an exception is raised. */
bool environment_open(PyObject *metadata);
void environment_close(void);
/* What the last line had at place i, to compare with; NULL: nothing is known of it. */
const struct variable *environment_at(size_t i);
bool environment_has_key(const struct variable *variable, const char *key, size_t n_key);
/* Whether the value is the one that [at, end) begins with; its length goes to *n. */
bool environment_has_value(const struct variable *variable, const uint8_t *at, const uint8_t *end,
                           size_t *n);
/* Show the user's code the metadata of this request, and no other. false: an exception is
 * raised. */
bool environment_show(const struct request *request);
/* Python is about to change the environment on its own: tell it what it is, and forget it. */
bool environment_leave(void);

/* ---- lines.c ---- */

struct lines {
    struct buf buf; /* what was read and not answered yet */
    size_t n_seen;  /* bytes of it that hold no newline */
    int fd;         /* borrowed */
    bool ended;
};

/* The next line without its newline, borrowed until the next call. 1; 0: the input has ended; -1:
 * an exception is raised. */
int lines_next(struct lines *lines, const char **line, size_t *n);
/* The last line is done with. */
void lines_drop(struct lines *lines, size_t n);
/* Read what is there already, without waiting. false: an exception is raised. */
bool lines_read_ready(struct lines *lines);
/* Whether one of the lines that were read is this one, its newline included. */
bool lines_hold(const struct lines *lines, const char *line, size_t n);
/* Write all of it. false: errno tells why, or 0 with an exception of a signal's handler; *done gets
 * the bytes that were written. */
bool lines_write(int fd, const char *bytes, size_t n, size_t *done);

#pragma once

/*
 * inside - the declarations that the files of the Python launcher's accelerator share.
 *
 *     accelerator.c  the Python module; handles one activation from line to answer
 *     lines.c        reads lines, writes answers
 *     request.c      splits a line into the argument and the metadata
 *     environment.c  sets metadata as environment variables
 *     decode.c       JSON to Python objects
 *     encode.c       Python objects to JSON
 *
 * Unusual cases are left to the launcher's Python code, which alone implements all of the contract.
 * A function here then returns false or NULL, with no exception raised and nothing changed.
 */

/* Makes sizes in Python's C API Py_ssize_t; must stand before the include. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define NESTING_MAX      128 /* levels of JSON handled here; Python's code handles deeper ones */
#define ANSWER_MAX_BYTES (64u << 20) /* longest answer that is encoded here, not by Python's code */
#define MEMBERS_MAX      32          /* most metadata members of a line; the platform sends eight */

/* ---- decode.c ---- */

/*
 * Decode the JSON value at *at as json.loads() does, and move *at behind it. Returns a new
 * reference. NULL: it is not valid JSON, or of a rare form that is left to Python. Reads only [*at,
 * end).
 */
PyObject *decode_value(const uint8_t **at, const uint8_t *end);

/* ---- encode.c ---- */

/* Append the document to `out` as json.dumps() writes it with the launcher's options. false: it is
 * left to Python, and `out` may contain a part of it. */
bool encode_document(struct buf *out, PyObject *document);

/* ---- request.c ---- */

/* A metadata member: its key and value as JSON text, borrowed from the line. */
struct member {
    const char *key; /* with its quotes; plain ASCII without escapes */
    size_t n_key;
    const char *raw; /* the value, with its quotes if it is a string */
    size_t n_raw;
    bool known; /* the last line had the same key at this position */
    bool same;  /* the last line had the same key and value, byte for byte */
    bool plain; /* the value is a string in ASCII without escapes; unset if `same` */
};

struct request {
    PyObject *value; /* owned; the argument; NULL: it is missing or null */
    struct member members[MEMBERS_MAX];
    size_t n_members;
};

/* Read a line. false: request->value is NULL, and Python must handle the whole line. */
bool request_read(struct request *request, const char *line, size_t n);

/* ---- environment.c ---- */

/* metadata: the launcher's object of class Metadata; os: the dictionary of module os; borrowed.
 * false: an exception is raised. */
bool environment_open(PyObject *metadata, PyObject *os);
void environment_close(void);
/* The variable of the last line's member at position i, to compare with; NULL: it is not known. */
const struct variable *environment_at(size_t i);
bool environment_has_key(const struct variable *variable, const char *key, size_t n_key);
/* Whether the text at [at, end) begins with the variable's value in the last line; *n: its
 * length. */
bool environment_has_value(const struct variable *variable, const uint8_t *at, const uint8_t *end,
                           size_t *n);
/* Set the environment to the metadata of this request, and no other. false: an exception is
 * raised. */
bool environment_show(const struct request *request);
/* Call before Python's code changes the environment: tells class Metadata what was set here, and
 * forgets it. false: an exception is raised. */
bool environment_leave(void);

/* ---- lines.c ---- */

struct lines {
    struct buf buf; /* input that was read and not dropped yet */
    size_t n_seen;  /* the first bytes of `buf`, which were searched and hold no newline */
    int fd;         /* borrowed */
    bool ended;
};

/* Get the next line without its newline, borrowed until the next call. 1; 0: the input has ended;
 * -1: an exception is raised. */
int lines_next(struct lines *lines, const char **line, size_t *n);
/* Drop the line of n bytes that lines_next() has returned, and its newline. */
void lines_drop(struct lines *lines, size_t n);
/* Read the input that is there, without waiting. false: an exception is raised. */
bool lines_read_ready(struct lines *lines);
/* Whether `line`, which includes a newline, is among the lines that were read and not dropped. */
bool lines_hold(const struct lines *lines, const char *line, size_t n);
/* Write n bytes. false: see errno; if errno is 0, a signal handler has raised an exception. *done:
 * gets the number of bytes written. */
bool lines_write(int fd, const char *bytes, size_t n, size_t *done);

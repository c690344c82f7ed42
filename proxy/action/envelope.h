#pragma once

/*
 * envelope - decode the body of an /init request: JSON in; code, its kind, main and environment
 * out.
 *
 * Pure: uses no file, process or clock.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

struct err;

/* The kind of code, told by the first bytes of the decoded code; `binary` in the body does not
 * matter. */
enum code_kind {
    CODE_SOURCE, /* plain text, or bytes that match no other kind */
    CODE_ELF,
    CODE_FOREIGN, /* a program for macOS or Windows; starting it fails with a text that says so */
    CODE_SCRIPT,  /* starts with #! */
    CODE_ZIP,
    CODE_TAR,
    CODE_TARGZ,
    CODE_PACKED, /* a packed format that we do not support; unpacking refuses it */
};

/* All pointers are owned. */
struct envelope {
    char *code;
    size_t code_len;
    enum code_kind kind;
    char *main; /* name of the main function; "main" if the body names none */
    char *file; /* the user's name for the source file; NULL: unknown */
    char **env; /* the body's "env": NAME=value, in the body's order, NULL-terminated; NULL: none */
};

/* The fields of an /init body, still as JSON; borrowed from the body. A field that is missing or
 * null has the kind JSON_BAD. */
struct envelope_parts {
    struct json_slice code;
    struct json_slice main;
    struct json_slice binary;
    struct json_slice env;
    struct json_slice file;
};

/*
 * Find the fields of an /init body, without decoding or copying them. 0, or -1: ERR_REQUEST (the
 * body is not JSON, or a field has a wrong type) or ERR_NO_CODE (there is no code). The error texts
 * are those of openwhisk-contract, section 1.3. takes_empty: accept an empty text as code.
 */
int envelope_find(struct envelope_parts *parts, const char *body, size_t n, bool takes_empty,
                  struct err *err);
/*
 * Decode the fields that envelope_find() found. 0, or -1: ERR_REQUEST (bad base64, an invalid main
 * or variable). envelope: zeroed by the caller; release with envelope_done() in both cases. block:
 * the start of the allocated memory that holds the body. It is taken over, and the code is decoded
 * in place. NULL: the body is not changed, and the code gets memory of its own.
 */
int envelope_fill(struct envelope *envelope, const struct envelope_parts *parts, char *block,
                  struct err *err);
/* Call envelope_find() with takes_empty false, then envelope_fill() with block NULL. envelope:
 * zeroed by the caller; release with envelope_done() in both cases. */
int envelope_read(struct envelope *envelope, const char *body, size_t n, struct err *err);
/* Free the code, and give its memory back to the system: the action may need it. */
void envelope_drop_code(struct envelope *envelope);
void envelope_done(struct envelope *envelope);

enum code_kind code_sniff(const char *code, size_t n);
/* If the code is in a packed format that we do not support: the program that packed it, such as
 * "bzip2". NULL: no such format is recognised. */
const char *code_packed_by(const char *code, size_t n);
/* Whether the code may be source text, that is, has no NUL byte near its start. Java classes and
 * .NET assemblies have one there. */
bool code_is_text(const char *code, size_t n);
const char *code_kind_name(enum code_kind kind);

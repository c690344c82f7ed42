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

/* The kind of code, judged by its first bytes after decoding, not by `binary` in the body. */
enum code_kind {
    CODE_SOURCE, /* text, or anything that nothing else matches */
    CODE_ELF,
    CODE_SCRIPT, /* starts with #! */
    CODE_ZIP,
    CODE_TAR,
    CODE_TARGZ,
    CODE_PACKED, /* a packed format that we do not support; unpacking refuses it */
};

/* All members owned. */
struct envelope {
    char *code;
    size_t code_len;
    enum code_kind kind;
    char *main;       /* "main" when the body names none */
    char *file;       /* the user's name for the source file; NULL: unknown */
    bool takes_empty; /* set before envelope_read(): accept an empty text as code */
    char **env; /* "env" of the body as NAME=value, in its order, NULL-terminated; NULL: none */
};

/* The fields of an /init body, still as JSON; borrowed from the body. JSON_BAD: missing or null. */
struct envelope_parts {
    struct json_slice code;
    struct json_slice main;
    struct json_slice binary;
    struct json_slice env;
    struct json_slice file;
};

/*
 * Find the fields of an /init body; nothing is decoded or copied. 0, or -1: ERR_REQUEST (no JSON,
 * wrong types) or ERR_NO_CODE (no code in it), with the contract's texts (openwhisk-contract 1.3).
 * takes_empty: accept an empty text as code.
 */
int envelope_find(struct envelope_parts *parts, const char *body, size_t n, bool takes_empty,
                  struct err *err);
/*
 * Decode the fields that envelope_find() found. 0, or -1: ERR_REQUEST (bad base64, an invalid main
 * or variable). envelope: zeroed by the caller; release with envelope_done() in both cases.
 * block: the allocated block that holds the body; it is taken over, and the code is decoded in it.
 * NULL: the body is not changed.
 */
int envelope_fill(struct envelope *envelope, const struct envelope_parts *parts, char *block,
                  struct err *err);
/* envelope_find(), then envelope_fill() without a block. envelope: zeroed but for `takes_empty`;
 * release with envelope_done() in both cases. */
int envelope_read(struct envelope *envelope, const char *body, size_t n, struct err *err);
void envelope_done(struct envelope *envelope);

enum code_kind code_sniff(const char *code, size_t n);
/* The program that packed the code, such as "bzip2", for formats that we do not support. NULL: none
 * that we know. */
const char *code_packed_by(const char *code, size_t n);
/* Whether this may be source text: no NUL near its start, unlike Java classes and assemblies. */
bool code_is_text(const char *code, size_t n);
const char *code_kind_name(enum code_kind kind);

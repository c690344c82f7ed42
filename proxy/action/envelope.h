#pragma once

/*
 * envelope - the body of an /init: JSON in, code bytes with their kind, main and environment out.
 *
 * Bytes in, result out: no file, no process, no clock.
 */

#include <stdbool.h>
#include <stddef.h>

struct err;

/* What the code is, by its first bytes once decoded; `binary` in the body says little. */
enum code_kind {
    CODE_SOURCE, /* text, or anything that nothing else matches */
    CODE_ELF,
    CODE_SCRIPT, /* starts with #! */
    CODE_ZIP,
    CODE_TAR,
    CODE_TARGZ,
};

/* All members owned. */
struct envelope {
    char *code;
    size_t code_len;
    enum code_kind kind;
    char *main;       /* "main" when the body names none */
    char *file;       /* how its user calls the file that is the code; NULL: nobody knows */
    bool takes_empty; /* set by the caller: code that is an empty text is code, too */
    char **env;       /* NAME=value of the body's env, NULL-terminated, in order; NULL when none */
};

/*
 * Read an /init body. 0, or -1: ERR_REQUEST (no JSON, wrong types, bad base64) or ERR_REFUSED
 * (no code in it), with the contract's texts (openwhisk-contract 1.3).
 * body: borrowed, not changed. envelope: zeroed by the caller but for `takes_empty`; envelope_done() afterwards always.
 */
int envelope_read(struct envelope *envelope, const char *body, size_t n, struct err *err);
void envelope_done(struct envelope *envelope);

enum code_kind code_sniff(const char *code, size_t n);
/* Whether it may be source text: classes and assemblies are none, whatever they are called. */
bool code_is_text(const char *code, size_t n);
const char *code_kind_name(enum code_kind kind);

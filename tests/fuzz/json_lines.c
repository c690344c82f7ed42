/*
 * json_lines - lets json_differential.py see what base/json.c makes of many documents at once.
 *
 *     json_lines check    one byte per document: '0' + enum json_kind
 *     json_lines members  per object: the members, then the answer of json_member() for each key
 *     json_lines quote    per text: the JSON string made of it
 *
 * Standard input holds documents, each behind its length (4 bytes, the machine's order). A piece of
 * the answer is written in the same form. Only valid objects may be given to `members`.
 */

#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/util.h"

#define DOCUMENT_MAX_BYTES                                                                         \
    (1U << 24) /* far above what the script makes; a larger one is an error */

static void write_piece(const char *bytes, size_t n)
{
    uint32_t length = (uint32_t)n;

    if (fwrite(&length, sizeof(length), 1, stdout) != 1 || fwrite(bytes, 1, n, stdout) != n)
        err(1, "cannot write to standard output");
}

static void write_compact(struct json_slice slice)
{
    struct buf compact = {0};

    json_compact(&compact, slice);
    write_piece(buf_at(&compact), buf_len(&compact));
    buf_done(&compact);
}

static void write_plain(struct json_slice string)
{
    auto_free char *plain = xmalloc(string.n);

    write_piece(plain, json_unescape(string, plain));
}

/* Whatever json_member() finds under the name that `key` spells; names cut at a NUL find none. */
static void write_found(struct json_slice object, struct json_slice key)
{
    auto_free char *name = xmalloc(key.n);
    struct json_slice found;

    name[json_unescape(key, name)] = '\0';
    if (json_member(object, name, &found))
        write_compact(found);
    else
        write_piece("", 0);
}

static void answer_check(const char *text, size_t n)
{
    putchar('0' + (int)json_check(text, n, NULL));
}

/* Per member: key, value compact, value unescaped when it is a string, what json_member() finds. */
static void answer_members(const char *text, size_t n)
{
    struct json_slice object, key, value;
    size_t at = 0;

    if (json_check(text, n, NULL) != JSON_OBJECT)
        errx(1, "members: want a valid object, got %.*s", (int)n, text);
    object = json_top(text, n);
    while (json_next_member(object, &at, &key, &value)) {
        write_plain(key);
        write_compact(value);
        if (value.kind == JSON_STRING)
            write_plain(value);
        write_found(object, key);
    }
}

static void answer_quote(const char *text, size_t n)
{
    struct buf quoted = {0};

    json_quote(&quoted, text, n);
    write_piece(buf_at(&quoted), buf_len(&quoted));
    buf_done(&quoted);
}

static const struct {
    const char *name;
    void (*answer)(const char *text, size_t n);
} modes[] = {
    {"check", answer_check},
    {"members", answer_members},
    {"quote", answer_quote},
};

/* False at the end of the input. Documents get memory of just their size, for the sanitizers. */
static bool answer_next(void (*answer)(const char *text, size_t n))
{
    auto_free char *text = NULL;
    uint32_t length;

    if (fread(&length, sizeof(length), 1, stdin) != 1)
        return false;
    if (length > DOCUMENT_MAX_BYTES)
        errx(1, "document of %u bytes: want at most %u", length, DOCUMENT_MAX_BYTES);
    text = xmalloc(length);
    if (fread(text, 1, length, stdin) != length)
        errx(1, "standard input ends within a document of %u bytes", length);
    answer(text, length);
    return true;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < ARRAY_LEN(modes); i++) {
        if (strcmp(argv[1], modes[i].name) != 0)
            continue;
        while (answer_next(modes[i].answer))
            continue;
        if (fflush(stdout) != 0)
            err(1, "cannot write to standard output");
        return 0;
    }
    errx(2, "usage: json_lines check|members|quote");
}

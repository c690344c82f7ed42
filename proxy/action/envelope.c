#include "action/envelope.h"

#include <assert.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "action/gunzip.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/util.h"

/*
 * The code is by far the largest part of a body: 64 MB at the platform's limits. So it is unescaped
 * into one block of memory, and base64 is decoded within that block.
 */

#define ENV_MAX_VARIABLES 1024 /* the platform sends about 20 */
/* most bytes of the source file's name as JSON, with quotes and escapes; file systems allow 255 */
#define FILE_NAME_MAX    258
#define ENV_NAME_SAID    64  /* most bytes of a variable's name that an error text quotes */
#define ELF_HEADER_BYTES 52  /* size of the 32-bit ELF header; a shorter file cannot be a program */
#define PE_HEADER_BYTES  264 /* "PE", the file header, and the optional header of 64-bit programs */
#define TAR_MAGIC_AT     257 /* offset of "ustar" in a header: POSIX.1-1988 and GNU tar have it */
#define LARGE_BYTES      (1U << 20) /* freeing code this large returns its memory to the system */
#define HEAD_BYTES       384        /* enough decoded bytes to recognise any format, even tar */

/* ---- code ---- */

const char *code_kind_name(enum code_kind kind)
{
    static const char *const names[] = {
        [CODE_SOURCE] = "source", [CODE_ELF] = "elf",       [CODE_FOREIGN] = "foreign",
        [CODE_SCRIPT] = "script", [CODE_ZIP] = "zip",       [CODE_TAR] = "tar",
        [CODE_TARGZ] = "tar.gz",  [CODE_PACKED] = "packed",
    };

    assert(kind < ARRAY_LEN(names));
    return names[kind];
}

const char *code_packed_by(const char *code, size_t n)
{
    static const struct {
        const char *by;
        const char *magic;
        size_t len;
    } packers[] = {
        {"xz", "\3757zXZ", 6},           {"7-Zip", "7z\xbc\xaf\x27\x1c", 6},
        {"zstd", "\x28\xb5\x2f\xfd", 4}, {"RAR", "Rar!\x1a\x07", 6},
        {"lz4", "\x04\x22\x4d\x18", 4},  {"lzip", "LZIP\x01", 5},
        {"compress", "\x1f\x9d\x90", 3},
    };

    for (size_t i = 0; i < ARRAY_LEN(packers); i++) {
        size_t len = packers[i].len;

        if (n >= len && memcmp(code, packers[i].magic, len) == 0)
            return packers[i].by;
    }
    return n >= 10 && memcmp(code, "BZh", 3) == 0 && memcmp(code + 4, "1AY&SY", 6) == 0 ? "bzip2"
                                                                                        : NULL;
}

/* Whether this is a Windows program (PE format), and neither a library nor an assembly of .NET. */
static bool is_for_windows(const char *code, size_t n)
{
    const unsigned char *bytes = (const unsigned char *)code;
    size_t at = n >= 64 ? bytes[60] | (size_t)bytes[61] << 8 : n; /* of the header proper */
    size_t clr; /* of the size of the part for .NET, which has two places */

    if (n < 64 || memcmp(code, "MZ", 2) != 0 || n < at + PE_HEADER_BYTES ||
        memcmp(code + at, "PE\0\0", 4) != 0)
        return false;
    clr = at + (bytes[at + 25] == 2 ? 252 : 236);
    return (bytes[at + 23] & 0x20) == 0 && memcmp(code + clr, "\0\0\0\0", 4) == 0;
}

enum code_kind code_sniff(const char *code, size_t n)
{
    static const char elf[] = {0x7f, 'E', 'L', 'F'}, mac[] = {'\xfa', '\xed', '\xfe'};
    static const char ustar[] = {'u', 's', 't', 'a', 'r'}, zip_2[] = {3, 5, 7}, zip_3[] = {4, 6, 8};

    if (n > ELF_HEADER_BYTES && memcmp(code, elf, sizeof(elf)) == 0)
        return CODE_ELF;
    if ((n >= 4 && (code[0] == '\xcf' || code[0] == '\xce') &&
         memcmp(code + 1, mac, sizeof(mac)) == 0) ||
        is_for_windows(code, n))
        return CODE_FOREIGN;
    if (n > 2 && code[0] == '#' && code[1] == '!')
        return CODE_SCRIPT;
    if (n >= 4 && code[0] == 'P' && code[1] == 'K' &&
        memchr(zip_2, code[2], sizeof(zip_2)) != NULL &&
        memchr(zip_3, code[3], sizeof(zip_3)) != NULL)
        return CODE_ZIP;
    if (gunzip_is(code, n))
        return CODE_TARGZ;
    if (n >= TAR_MAGIC_AT + sizeof(ustar) && memcmp(code + TAR_MAGIC_AT, ustar, sizeof(ustar)) == 0)
        return CODE_TAR;
    return code_packed_by(code, n) != NULL ? CODE_PACKED : CODE_SOURCE;
}

bool code_is_text(const char *code, size_t n)
{
    return memchr(code, '\0', n < HEAD_BYTES ? n : HEAD_BYTES) == NULL;
}

/* Whether `text`, which is valid base64, encodes a program or an archive. Otherwise it may be
 * source text that happens to look like base64. */
static bool hides_package(const char *text, size_t n)
{
    char bytes[HEAD_BYTES];

    return code_sniff(bytes, base64_head(text, n, bytes, sizeof(bytes))) != CODE_SOURCE;
}

/* Like isspace() in the C locale. */
static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Whether a string in JSON that was found valid contains only blanks, escaped or not. */
static bool is_blank_text(struct json_slice slice)
{
    size_t at = 1;

    assert(slice.kind == JSON_STRING && slice.n >= 2);
    while (at < slice.n - 1) {
        size_t n = slice.text[at] != '\\' ? 1 : slice.text[at + 1] == 'u' ? 6 : 2;
        char spelt[8] = "\"", unescaped[8]; /* this character, as a JSON string and unescaped */

        memcpy(spelt + 1, slice.text + at, n);
        spelt[n + 1] = '"';
        if (json_unescape((struct json_slice){spelt, n + 2, JSON_STRING}, unescaped) != 1 ||
            !is_blank(unescaped[0]))
            return false;
        at += n;
    }
    assert(at == slice.n - 1);
    return true;
}

/* Whether to decode code[from .. to) as base64: 1 or 0. -1: the body's "binary" says that it is
 * base64, but it is not valid base64. */
static int must_decode(const char *code, size_t from, size_t to, bool binary, struct err *err)
{
    struct base64_text checked;

    assert(from < to);
    if (base64_check(code + from, to - from, &checked))
        return binary || hides_package(code + from, to - from);
    if (!binary)
        return 0;
    return err_set(err, ERR_REQUEST, 0,
                   "cannot decode the request: illegal base64 data at input byte %zu",
                   from + checked.fault_at);
}

/* Decode the code. White space around it is trimmed only for base64: in source text it may
 * matter. */
static int read_code(struct envelope *envelope, struct json_slice slice, bool binary,
                     struct err *err)
{
    size_t from = 0, to;
    int decode;

    assert(envelope->code == NULL || envelope->code < slice.text);
    if (envelope->code == NULL)
        envelope->code = xmalloc(slice.n); /* bounded, because the server bounds the body */
    to = envelope->code_len = json_unescape(slice, envelope->code);
    assert(to < slice.n);
    while (to > 0 && is_blank(envelope->code[to - 1]))
        to--;
    while (from < to && is_blank(envelope->code[from]))
        from++;
    if (from == to) {
        envelope->code_len = 0;
        return 0; /* the kind stays CODE_SOURCE, which is 0 */
    }
    decode = must_decode(envelope->code, from, to, binary, err);
    if (decode < 0)
        return -1;
    if (decode > 0)
        envelope->code_len = base64_replace(envelope->code + from, to - from, envelope->code);
    /* Free the unused end of the block: the code may stay in memory until /init has ended. */
    if (envelope->code_len > 0)
        envelope->code = xrealloc(envelope->code, envelope->code_len);
    envelope->kind = code_sniff(envelope->code, envelope->code_len);
    return 0;
}

/* ---- main and env ---- */

/* A missing or empty main means "main", the platform's default: openwhisk-contract, section 1.1. */
static int read_main(struct envelope *envelope, struct json_slice slice, struct err *err)
{
    size_t n = 0;

    assert(slice.kind == JSON_STRING || slice.kind == JSON_BAD);
    if (slice.kind == JSON_STRING) {
        envelope->main = xmalloc(slice.n);
        n = json_unescape(slice, envelope->main);
        envelope->main[n] = '\0';
    }
    if (n == 0) {
        free(envelope->main);
        envelope->main = xstrdup("main");
        return 0;
    }
    if (strlen(envelope->main) != n)
        return err_set(err, ERR_REQUEST, 0,
                       "Error unmarshaling request: main holds a NUL, which no name may");
    return 0;
}

/* Read the name of the source file. An invalid name counts as missing: a client of another proxy
 * may use the member "file" for something else. */
static void read_file(struct envelope *envelope, struct json_slice slice)
{
    auto_free char *name = NULL;
    size_t n;

    if (slice.kind != JSON_STRING || slice.n > FILE_NAME_MAX)
        return;
    name = xmalloc(slice.n);
    n = json_unescape(slice, name);
    name[n] = '\0';
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] < ' ' || name[i] == '/' || name[i] == 0x7f)
            return;
    if (n > 0)
        envelope->file = TAKE(name);
}

/* Write a JSON value as the text of an environment variable, NUL-terminated, and return its length.
 * out: room for value.n + 1 bytes. */
static size_t put_value(struct json_slice value, char *out)
{
    auto_buf struct buf compact = {0};
    size_t n = 0;

    if (value.kind == JSON_STRING) {
        n = json_unescape(value, out);
    } else { /* null becomes the text "null", as in Go's proxy: openwhisk-contract, section 9 */
        json_compact(&compact, value);
        n = buf_len(&compact);
        memcpy(out, buf_at(&compact), n);
    }
    assert(n <= value.n);
    out[n] = '\0';
    return n;
}

/* Make NAME=value from a member of "env"; caller frees. *n_name: gets the length of NAME. NULL: see
 * err, whose text quotes the name. */
static char *make_variable(struct json_slice key, struct json_slice value, size_t *n_name,
                           struct err *err)
{
    /* The key's two quotes leave room for '=' and the NUL. */
    auto_free char *variable = xmalloc(key.n + value.n);
    int n_said = (int)(key.n < ENV_NAME_SAID ? key.n : ENV_NAME_SAID);
    size_t n_value;

    *n_name = json_unescape(key, variable);
    assert(*n_name + 2 <= key.n);
    if (*n_name == 0 || memchr(variable, '=', *n_name) != NULL ||
        memchr(variable, '\0', *n_name) != NULL) {
        (void)err_set(err, ERR_REQUEST, 0,
                      "Error unmarshaling request: env has a variable %.*s: a name must not be "
                      "empty nor hold '=' or NUL",
                      n_said, key.text);
        return NULL;
    }
    variable[*n_name] = '=';
    n_value = put_value(value, variable + *n_name + 1);
    if (strlen(variable + *n_name + 1) != n_value) {
        (void)err_set(err, ERR_REQUEST, 0,
                      "Error unmarshaling request: the value of env's %.*s holds a NUL, which no "
                      "variable can",
                      n_said, key.text);
        return NULL;
    }
    return TAKE(variable);
}

/* The name of a variable, and its index in envelope->env. */
struct name {
    const char *text; /* borrowed: the start of the variable's NAME=value */
    size_t n;
    size_t at;
};

/* Order by length, then name, then position in the body. Comparing lengths first saves comparing
 * long names that begin alike. */
static int compare_names(const void *a, const void *b)
{
    const struct name *left = a, *right = b;
    int order;

    if (left->n != right->n)
        return left->n < right->n ? -1 : 1;
    order = memcmp(left->text, right->text, left->n);
    if (order != 0)
        return order;
    return left->at < right->at ? -1 : 1;
}

/* Keep one entry for each name in env. For a repeated name, keep the last value, at the position of
 * the first. */
static void drop_repeated(char **env, struct name *names, size_t n)
{
    size_t first = 0, n_kept = 0;

    assert(n > 0);
    qsort(names, n, sizeof(*names), compare_names);
    for (size_t i = 1; i < n; i++) {
        char **kept = &env[names[first].at], **repeated = &env[names[i].at];

        if (names[i].n != names[first].n ||
            memcmp(names[i].text, names[first].text, names[i].n) != 0) {
            first = i;
            continue;
        }
        free(*kept);
        *kept = TAKE(*repeated);
        names[first].text = *kept;
    }
    for (size_t i = 0; i < n; i++)
        if (env[i] != NULL)
            env[n_kept++] = env[i];
    assert(n_kept > 0);
    env[n_kept] = NULL;
}

static int read_env(struct envelope *envelope, struct json_slice object, struct err *err)
{
    struct json_slice key, value;
    auto_free struct name *names = NULL;
    size_t at = 0, n = 0;

    assert(object.kind == JSON_OBJECT);
    assert(envelope->env == NULL);
    /* Count first: then envelope->env is allocated once, and nothing is built for a body with too
     * many variables. */
    while (json_next_member(object, &at, &key, &value)) {
        if (++n > ENV_MAX_VARIABLES)
            return err_set(err, ERR_REQUEST, 0,
                           "Error unmarshaling request: env holds more than %d variables",
                           ENV_MAX_VARIABLES);
    }
    if (n == 0)
        return 0;
    envelope->env = xcalloc(n + 1, sizeof(*envelope->env));
    names = xcalloc(n, sizeof(*names));
    at = n = 0;
    /* Unescape all names before comparing them: "A" and "\u0041" are equal. */
    for (; json_next_member(object, &at, &key, &value); n++) {
        envelope->env[n] = make_variable(key, value, &names[n].n, err);
        if (envelope->env[n] == NULL)
            return -1;
        names[n].text = envelope->env[n];
        names[n].at = n;
    }
    drop_repeated(envelope->env, names, n);
    return 0;
}

/* ---- the body ---- */

static const struct {
    const char *name;
    enum json_kind kind; /* the kind that is wanted; JSON_TRUE stands for true and false */
    const char *type;    /* NULL: any type */
    size_t at;           /* offset in struct envelope_parts */
} fields[] = {
    {"code", JSON_STRING, "a string", offsetof(struct envelope_parts, code)},
    {"main", JSON_STRING, "a string", offsetof(struct envelope_parts, main)},
    {"binary", JSON_TRUE, "true or false", offsetof(struct envelope_parts, binary)},
    {"env", JSON_OBJECT, "an object", offsetof(struct envelope_parts, env)},
    {"file", JSON_BAD, NULL, offsetof(struct envelope_parts, file)},
};

static int wrong_type(struct err *err, const char *what, const char *type)
{
    return err_set(err, ERR_REQUEST, 0, "Error unmarshaling request: %s must be %s", what, type);
}

static bool is_of_kind(struct json_slice value, enum json_kind kind)
{
    return value.kind == kind || (kind == JSON_TRUE && value.kind == JSON_FALSE);
}

static struct json_slice *part_at(struct envelope_parts *parts, size_t at)
{
    return (struct json_slice *)(void *)((char *)parts + at);
}

/* Find all fields in one pass over `value`. */
static int find_fields(struct json_slice value, struct envelope_parts *parts, struct err *err)
{
    struct json_slice name, member;
    size_t at = 0;

    assert(value.kind == JSON_OBJECT);
    while (json_next_member(value, &at, &name, &member)) {
        for (size_t i = 0; i < ARRAY_LEN(fields); i++)
            if (json_equals(name, fields[i].name))
                *part_at(parts, fields[i].at) = member;
    }
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        struct json_slice *part = part_at(parts, fields[i].at);

        if (part->kind == JSON_NULL)
            part->kind = JSON_BAD;
        if (part->kind != JSON_BAD && fields[i].type != NULL && !is_of_kind(*part, fields[i].kind))
            return wrong_type(err, fields[i].name, fields[i].type);
    }
    return 0;
}

/* Find the member "value" of a body that is valid JSON. Kind JSON_NULL: there is none. */
static int find_value(struct json_slice body, struct json_slice *value, struct err *err)
{
    value->kind = JSON_NULL;
    if (body.kind == JSON_NULL)
        return 0;
    if (body.kind != JSON_OBJECT)
        return wrong_type(err, "the body", "an object");
    if (json_member(body, "value", value) && value->kind != JSON_OBJECT && value->kind != JSON_NULL)
        return wrong_type(err, "value", "an object");
    return 0;
}

int envelope_find(struct envelope_parts *parts, const char *body, size_t n, bool takes_empty,
                  struct err *err)
{
    struct json_slice value = {0};
    struct json_fault fault;

    memset(parts, 0, sizeof(*parts));
    if (json_check(body, n, &fault) == JSON_BAD) {
        char said[128];

        json_fault_say(&fault, body, n, said, sizeof(said));
        return err_set(err, ERR_REQUEST, 0, "Error unmarshaling request: %s", said);
    }
    /* Report a wrong type before missing code, as Go's proxy does: it unmarshals the whole body
     * before it looks for code. */
    if (find_value(json_top(body, n), &value, err) < 0)
        return -1;
    if (value.kind == JSON_OBJECT && find_fields(value, parts, err) < 0)
        return -1;
    if (parts->code.kind == JSON_BAD || (!takes_empty && is_blank_text(parts->code)))
        return err_set(err, ERR_NO_CODE, 0, "Missing main/no code to execute.");
    return 0;
}

int envelope_fill(struct envelope *envelope, const struct envelope_parts *parts, char *block,
                  struct err *err)
{
    assert(envelope->code == NULL && envelope->main == NULL && envelope->env == NULL);
    assert(parts->code.kind == JSON_STRING);
    envelope->code = block;
    if (read_main(envelope, parts->main, err) < 0)
        return -1;
    if (parts->env.kind == JSON_OBJECT && read_env(envelope, parts->env, err) < 0)
        return -1;
    read_file(envelope, parts->file);
    /* Decode the code last: if the caller gave the memory of the body as `block`, the decoded code
     * overwrites the other fields there. */
    return read_code(envelope, parts->code, parts->binary.kind == JSON_TRUE, err);
}

int envelope_read(struct envelope *envelope, const char *body, size_t n, struct err *err)
{
    struct envelope_parts parts;

    if (envelope_find(&parts, body, n, false, err) < 0)
        return -1;
    return envelope_fill(envelope, &parts, NULL, err);
}

void envelope_drop_code(struct envelope *envelope)
{
    bool large = envelope->code_len >= LARGE_BYTES;

    free(TAKE(envelope->code));
    if (large)
        (void)malloc_trim(0); /* main() has told malloc to keep freed memory (KEEP_MALLOC_BYTES) */
    envelope->code_len = 0;
}

void envelope_done(struct envelope *envelope)
{
    envelope_drop_code(envelope);
    for (char **variable = envelope->env; variable != NULL && *variable != NULL; variable++)
        free(*variable);
    free(envelope->env);
    free(envelope->main);
    free(envelope->file);
    memset(envelope, 0, sizeof(*envelope));
}

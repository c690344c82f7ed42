#include "base/json.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/json_text.h"
#include "base/scan.h"
#include "base/utf8.h"
#include "base/util.h"

/*
 * This file has the part of json.h that checks texts; json_slice.c has the rest.
 *
 * A check is a loop over what may come next, until no level is open:
 *
 *     {"a": [1, 2]}      NEXT_VALUE  {      opens a level: a key must follow
 *                        NEXT_KEY    "a":
 *                        NEXT_VALUE  [      opens a second one: a value must follow
 *                        NEXT_VALUE  1
 *                        NEXT_AFTER  ,      one more value must follow
 *                        NEXT_VALUE  2
 *                        NEXT_AFTER  ]      closes the second level
 *                        NEXT_AFTER  }      closes the first level: done
 *
 * There is no recursion, but one bit per open level, so no text can use up the stack. The
 * check_...() functions take the position to read from. They return the position behind what they
 * have read, or NULL after a failure.
 */

#define LEVELS_PER_WORD 64

/* json_fault_say() prints this text alone. As in Go, it does not name the offending byte. */
static const char too_deep[] = "exceeded max depth";

enum next {
    NEXT_VALUE,
    NEXT_KEY,
    NEXT_AFTER, /* a comma, or the end of the object or array */
    NEXT_NOTHING
};

struct check {
    const uint8_t *start; /* the text to check, borrowed */
    const uint8_t *end;   /* the position behind the text */
    const uint8_t *bad;   /* after a failure: the position of the offending byte */
    const char *what;     /* after a failure: the reason, as in struct json_fault */
    size_t depth;         /* number of objects and arrays that are open */
    const char *wanted;   /* name of the top-level member to find; NULL: none */
    const uint8_t *found; /* behind the colon of the last member named `wanted`; NULL: none yet */
    /* One bit per open object (1) or array (0), the outermost first. A word is not initialized
     * before its first bit is used. */
    uint64_t objects[JSON_DEPTH_MAX / LEVELS_PER_WORD];
};

/* Record where and why the text is invalid. Returns NULL, for `return check_fail(...)`. */
__attribute__((cold)) static const uint8_t *check_fail(struct check *c, const uint8_t *at,
                                                       const char *what)
{
    assert(at <= c->end);
    c->bad = at;
    c->what = what;
    return NULL;
}

/* Check an escape. at: the position behind the backslash. */
static inline const uint8_t *check_escape(struct check *c, const uint8_t *at)
{
    switch (at < c->end ? *at : '\0') {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return at + 1;
    case 'u':
        at++;
        break;
    default:
        return check_fail(c, at, "in string escape code");
    }
    /* Any four hex digits are valid: RFC 8259 8.2 allows lone surrogates, too. */
    if (c->end - at >= 4 &&
        (hex_value(at[0]) | hex_value(at[1]) | hex_value(at[2]) | hex_value(at[3])) >= 0)
        return at + 4;
    while (at < c->end && hex_value(*at) >= 0)
        at++;
    return check_fail(c, at, "in \\u hexadecimal character escape");
}

/* Read the escapes or the characters beyond ASCII that begin here. Not inline, so that
 * check_string() stays short enough to be. */
static __attribute__((noinline)) const uint8_t *check_unusual(struct check *c, const uint8_t *at)
{
    if (*at < 0x20)
        return check_fail(c, at, "in string literal");
    while (at != NULL && at < c->end && *at == '\\')
        at = check_escape(c, at + 1);
    if (at == NULL || at == c->end || *at < 0x80)
        return at;
    at = scan_characters(at, c->end);
    while (at < c->end && *at >= 0x80)
        if (!utf8_next(&at, c->end))
            return check_fail(c, at, "in string literal");
    return at;
}

/* at: the position after the opening quote. Returns the position after the closing quote. */
static inline const uint8_t *check_string(struct check *c, const uint8_t *at)
{
    for (;;) {
        at = scan_special(c->start, at, c->end);
        if (at == c->end)
            return check_fail(c, at, "in string literal");
        if (*at == '"')
            return at + 1;
        at = check_unusual(c, at);
        if (at == NULL)
            return NULL;
    }
}

/* Read at least one digit, and all that follow. */
static inline const uint8_t *check_digits(struct check *c, const uint8_t *at, const char *what)
{
    const uint8_t *first = at;

    while (at < c->end && (uint8_t)(*at - '0') < 10)
        at++;
    return at > first ? at : check_fail(c, at, what);
}

/* Check the grammar only (RFC 8259 section 6): the number may be of any size. */
static inline const uint8_t *check_number(struct check *c, const uint8_t *at)
{
    if (*at == '-')
        at++;
    if (at < c->end && *at == '0')
        at++; /* the caller refuses a digit after this 0, like any other wrong byte */
    else if ((at = check_digits(c, at, "in numeric literal")) == NULL)
        return NULL;
    if (at < c->end && *at == '.') {
        at = check_digits(c, at + 1, "after decimal point in numeric literal");
        if (at == NULL)
            return NULL;
    }
    if (at < c->end && (*at | 0x20) == 'e') {
        at++;
        if (at < c->end && (*at == '+' || *at == '-'))
            at++;
        at = check_digits(c, at, "in exponent of numeric literal");
    }
    return at;
}

/* Check true, false or null. at: its first letter, t, f or n. */
static const uint8_t *check_word(struct check *c, const uint8_t *at)
{
    static const struct {
        const char *text;
        const char *wanted[5]; /* fault text if the letter at this index is wrong */
    } words[] = {
        {"true",
         {"", "in literal true (expecting 'r')", "in literal true (expecting 'u')",
          "in literal true (expecting 'e')", ""}},
        {"false",
         {"", "in literal false (expecting 'a')", "in literal false (expecting 'l')",
          "in literal false (expecting 's')", "in literal false (expecting 'e')"}},
        {"null",
         {"", "in literal null (expecting 'u')", "in literal null (expecting 'l')",
          "in literal null (expecting 'l')", ""}},
    };
    size_t word = *at == 't' ? 0 : *at == 'f' ? 1 : 2;

    assert(*at == (uint8_t)words[word].text[0]);
    at++;
    for (size_t i = 1; words[word].text[i] != '\0'; i++, at++)
        if (at == c->end || *at != (uint8_t)words[word].text[i])
            return check_fail(c, at, words[word].wanted[i]);
    return at;
}

/* Whether the quoted string [at, end) equals `text` when its escapes are replaced. */
static bool is_spelled(const uint8_t *at, const uint8_t *end, const char *text)
{
    return json_equals((struct json_slice){(const char *)at, (size_t)(end - at), JSON_STRING},
                       text);
}

/* Whether this key may be c->wanted: the first character already rules out most keys. */
static inline bool may_be_wanted(const struct check *c, const uint8_t *key)
{
    return c->depth == 1 && c->wanted != NULL &&
           (key[1] == (uint8_t)c->wanted[0] || key[1] == '\\');
}

/* Read white space, a key and its colon. */
static inline const uint8_t *check_key(struct check *c, const uint8_t *at)
{
    const uint8_t *key;
    const uint8_t *key_end;

    at = skip_space(at, c->end);
    if (at == c->end || *at != '"')
        return check_fail(c, at, "looking for beginning of object key string");
    key = at;
    key_end = check_string(c, at + 1);
    if (key_end == NULL)
        return NULL;
    at = skip_space(key_end, c->end);
    if (at == c->end || *at != ':')
        return check_fail(c, at, "after object key");
    if (may_be_wanted(c, key) && is_spelled(key, key_end, c->wanted))
        c->found = at + 1; /* the last member of this name counts, as in Go, Python, JavaScript */
    return at + 1;
}

/* Note that an object or array begins. false: JSON_DEPTH_MAX of them are open already. */
static inline bool check_push(struct check *c, bool object)
{
    uint64_t bit = UINT64_C(1) << (c->depth % LEVELS_PER_WORD);
    uint64_t *word;

    if (c->depth == JSON_DEPTH_MAX)
        return false;
    word = &c->objects[c->depth++ / LEVELS_PER_WORD];
    if (bit == 1)
        *word = 0; /* clearing all words at the start would cost as much as checking a short text */
    *word = object ? *word | bit : *word & ~bit;
    return true;
}

/* Whether the innermost open object or array is an object. */
static inline bool check_in_object(const struct check *c)
{
    size_t level = c->depth - 1;

    return c->objects[level / LEVELS_PER_WORD] >> (level % LEVELS_PER_WORD) & 1;
}

/* Read a scalar, or the brace or bracket that opens an object or array. If the object or array is
 * empty, also read its closing brace or bracket. */
static inline const uint8_t *check_value(struct check *c, const uint8_t *at, enum next *next)
{
    *next = NEXT_AFTER;
    at = skip_space(at, c->end);
    switch (at < c->end ? *at : '\0') { /* NUL stands for the end: no value begins with NUL */
    case '"':
        return check_string(c, at + 1);
    case '{':
    case '[': {
        bool object = *at == '{';

        if (!check_push(c, object))
            return check_fail(c, at, too_deep);
        /* An object or array may end directly behind its opening brace or bracket, but not behind a
         * comma. */
        at = skip_space(at + 1, c->end);
        if (at < c->end && *at == (object ? '}' : ']')) {
            c->depth--;
            return at + 1;
        }
        *next = object ? NEXT_KEY : NEXT_VALUE;
        return at;
    }
    case 't':
    case 'f':
    case 'n':
        return check_word(c, at);
    default:
        if (at < c->end && (*at == '-' || (*at >= '0' && *at <= '9')))
            return check_number(c, at);
        return check_fail(c, at, "looking for beginning of value");
    }
}

/* Read what follows a value: a comma, or the brace or bracket that closes the object or array. At
 * depth 0 the document is complete, and nothing is read. */
static inline const uint8_t *check_after(struct check *c, const uint8_t *at, enum next *next)
{
    bool object;

    if (c->depth == 0) {
        *next = NEXT_NOTHING;
        return at;
    }
    object = check_in_object(c);
    at = skip_space(at, c->end);
    if (at < c->end && *at == ',') {
        *next = object ? NEXT_KEY : NEXT_VALUE;
        /* After a number another one is likely. */
        if (!object && (uint8_t)(at[-1] - '0') < 10)
            return scan_numbers(at + 1, c->end);
        return at + 1;
    }
    if (at == c->end || *at != (object ? '}' : ']'))
        return check_fail(c, at, object ? "after object key:value pair" : "after array element");
    c->depth--;
    return at + 1;
}

static enum json_kind check_text(struct check *c, const char *text, size_t n,
                                 struct json_fault *fault)
{
    /* An empty text may be NULL, and C allows no arithmetic on NULL. */
    const uint8_t *at = (const uint8_t *)(n > 0 ? text : "");
    enum next next = NEXT_VALUE;

    c->start = c->bad = at;
    c->end = at + n;
    c->depth = 0;
    while (at != NULL && next != NEXT_NOTHING) {
        if (next == NEXT_KEY) {
            at = check_key(c, at);
            if (at == NULL)
                break;
        }
        at = next == NEXT_AFTER ? check_after(c, at, &next) : check_value(c, at, &next);
    }
    if (at != NULL) {
        assert(c->depth == 0);
        at = skip_space(at, c->end);
        if (at == c->end)
            return json_kind_of(*skip_space(c->start, c->end));
        (void)check_fail(c, at, "after top-level value");
    }
    assert(c->bad <= c->end);
    if (fault != NULL)
        *fault = (struct json_fault){.at = (size_t)(c->bad - c->start), .what = c->what};
    return JSON_BAD;
}

enum json_kind json_check(const char *text, size_t n, struct json_fault *fault)
{
    struct check c;

    c.wanted = NULL;
    return check_text(&c, text, n, fault);
}

enum json_kind json_check_member(const char *text, size_t n, struct json_fault *fault,
                                 const char *key, struct json_slice *value)
{
    struct check c;
    enum json_kind kind;

    c.wanted = key;
    c.found = NULL;
    kind = check_text(&c, text, n, fault);
    *value = (struct json_slice){.kind = JSON_BAD};
    if (kind == JSON_OBJECT && c.found != NULL)
        *value = json_value_at((const char *)skip_space(c.found, c.end), (const char *)c.end);
    return kind;
}

/* Write the byte between quotes, as Go does in its errors, in printable ASCII. */
static void say_byte(uint8_t c, char *out, size_t size)
{
    static const char plain[] = "\a\b\f\n\r\t\v\\'", letter[] = "abfnrtv\\'";
    const char *found = c != '\0' ? strchr(plain, c) : NULL;

    if (found != NULL)
        (void)snprintf(out, size, "'\\%c'", letter[found - plain]);
    else if (c < 0x20 || c >= 0x7f)
        (void)snprintf(out, size, "'\\x%02x'", c);
    else
        (void)snprintf(out, size, "'%c'", c);
}

void json_fault_say(const struct json_fault *fault, const char *text, size_t n, char *out,
                    size_t size)
{
    char byte[8];

    assert(fault->at <= n);
    assert(fault->what != NULL);
    if (fault->what == too_deep) {
        (void)snprintf(out, size, "%s", too_deep);
    } else if (fault->at == n) {
        (void)snprintf(out, size, "unexpected end of JSON input");
    } else {
        say_byte((uint8_t)text[fault->at], byte, sizeof(byte));
        (void)snprintf(out, size, "invalid character %s %s", byte, fault->what);
    }
}

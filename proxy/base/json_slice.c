#include "base/json.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json_text.h"
#include "base/scan.h"
#include "base/utf8.h"
#include "base/util.h"

/*
 * This file has the part of json.h that finds single values (slices) in checked texts, and the part
 * that writes JSON.
 *
 * Since json_check() has accepted the text, a value can be skipped quickly: it is enough to find
 * its quotes, and to count brackets and braces without telling them apart. Loops still stop at
 * `end`, so that a caller's mistake ends in an assert instead of reading beyond the text.
 */

/* at: the opening quote. Returns the position behind the closing quote. */
static inline const uint8_t *skip_string(const uint8_t *at, const uint8_t *end)
{
    assert(at < end && *at == '"');
    at = scan_quote(at + 1, end);
    while (at < end && *at == '\\') {
        assert(end - at >= 2); /* skip the backslash and the escaped byte, which may be a quote */
        at = scan_quote(at + 2, end);
    }
    assert(at < end);
    return at + 1;
}

/* at: the opening bracket or brace. The text was checked, so it is enough to count brackets and
 * braces together. */
static const uint8_t *skip_nested(const uint8_t *at, const uint8_t *end)
{
    size_t depth = 0;

    assert(at < end && (*at == '{' || *at == '['));
    do {
        at = scan_nesting(at, end);
        assert(at < end);
        if (*at == '"') {
            at = skip_string(at, end); /* brackets inside a string do not count */
            continue;
        }
        if (*at == '{' || *at == '[')
            depth++;
        else
            depth--;
        at++;
    } while (depth > 0);
    return at;
}

/* at: the first byte of a number, true, false or null. */
static const uint8_t *skip_scalar(const uint8_t *at, const uint8_t *end)
{
    while (at < end && !is_space(*at) && *at != ',' && *at != '}' && *at != ']')
        at++;
    return at;
}

/* Read one value of any kind into *slice. Returns the position behind the value. */
static inline const uint8_t *slice_at(const uint8_t *at, const uint8_t *end,
                                      struct json_slice *slice)
{
    const uint8_t *behind;

    assert(at < end);
    slice->kind = json_kind_of(*at);
    if (slice->kind == JSON_STRING)
        behind = skip_string(at, end);
    else if (slice->kind == JSON_OBJECT || slice->kind == JSON_ARRAY)
        behind = skip_nested(at, end);
    else
        behind = skip_scalar(at, end);
    slice->text = (const char *)at;
    slice->n = (size_t)(behind - at);
    return behind;
}

struct json_slice json_value_at(const char *at, const char *end)
{
    struct json_slice slice;

    (void)slice_at((const uint8_t *)at, (const uint8_t *)end, &slice);
    return slice;
}

struct json_slice json_top(const char *text, size_t n)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + n;

    /* The text is one value, and only the white space around it has to be found. */
    at = skip_space(at, end);
    assert(at < end);
    while (is_space(end[-1]))
        end--;
    return (struct json_slice){
        .text = (const char *)at, .n = (size_t)(end - at), .kind = json_kind_of(*at)};
}

/* Find the next element of an object or array. at: the offset behind the previous element; 0: find
 * the first one, behind the opening bracket. NULL: there are no more. */
static inline const uint8_t *next_element(struct json_slice slice, size_t at, char close)
{
    const uint8_t *start = (const uint8_t *)slice.text, *end = start + slice.n;
    const uint8_t *here;

    assert(slice.n >= 2);
    assert(at < slice.n);
    here = skip_space(start + (at > 0 ? at : 1), end);
    assert(here < end);
    if (*here == (uint8_t)close)
        return NULL;
    return *here == ',' ? skip_space(here + 1, end) : here;
}

bool json_next_member(struct json_slice object, size_t *at, struct json_slice *key,
                      struct json_slice *value)
{
    const uint8_t *start = (const uint8_t *)object.text, *end = start + object.n;
    const uint8_t *here = next_element(object, *at, '}');

    assert(object.kind == JSON_OBJECT);
    if (here == NULL)
        return false;
    here = skip_space(slice_at(here, end, key), end);
    assert(here < end && *here == ':');
    here = slice_at(skip_space(here + 1, end), end, value);
    *at = (size_t)(here - start);
    return true;
}

bool json_next_item(struct json_slice array, size_t *at, struct json_slice *value)
{
    const uint8_t *start = (const uint8_t *)array.text;
    const uint8_t *here = next_element(array, *at, ']');

    assert(array.kind == JSON_ARRAY);
    if (here == NULL)
        return false;
    *at = (size_t)(slice_at(here, start + array.n, value) - start);
    return true;
}

bool json_member(struct json_slice object, const char *key, struct json_slice *value)
{
    struct json_slice name, found;
    size_t at = 0;
    bool any = false;

    /* Search on after a hit: of members with the same name Go, Python and JavaScript keep the
     * last. */
    while (json_next_member(object, &at, &name, &found)) {
        if (json_equals(name, key)) {
            *value = found;
            any = true;
        }
    }
    return any;
}

/* The value of four hex digits, which have been checked. */
static unsigned hex4(const uint8_t *at)
{
    unsigned value = 0;

    for (int i = 0; i < 4; i++)
        value = value << 4 | (unsigned)hex_value(at[i]);
    return value;
}

/* Read a \u escape. at: the position behind "\u". Two escapes that form a surrogate pair are read
 * as one. */
static const uint8_t *unescape_code(const uint8_t *at, const uint8_t *end, unsigned *code)
{
    assert(end - at >= 4);
    *code = hex4(at);
    at += 4;
    if (*code < 0xd800 || *code > 0xdfff)
        return at;
    if (*code < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        unsigned second = hex4(at + 2);

        /* A second escape that does not complete the pair stays unread: it may begin another
         * pair. */
        if (second >= 0xdc00 && second <= 0xdfff) {
            *code = 0x10000 + ((*code - 0xd800) << 10) + (second - 0xdc00);
            return at + 6;
        }
    }
    *code = 0xfffd;
    return at;
}

/* Replace one escape. at: its backslash. Writes 1 to 4 bytes to out, never more than the escape
 * has. */
static const uint8_t *unescape_one(const uint8_t *at, const uint8_t *end, char *out, size_t *n_out)
{
    /* letter[i] behind a backslash stands for plain[i]; RFC 8259, section 7. */
    static const char letter[] = "\"\\/bfnrt", plain[] = "\"\\/\b\f\n\r\t";
    const char *found;
    unsigned code;

    assert(end - at >= 2);
    if (at[1] == 'u') {
        at = unescape_code(at + 2, end, &code);
        *n_out = utf8_put(code, out);
        return at;
    }
    found = strchr(letter, at[1]);
    assert(found != NULL);
    out[0] = plain[found - letter];
    *n_out = 1;
    return at + 2;
}

size_t json_unescape(struct json_slice string, char *out)
{
    const uint8_t *at = (const uint8_t *)string.text + 1, *end = at + string.n - 2;
    size_t n = 0;

    assert(string.kind == JSON_STRING && string.n >= 2);
    while (at < end) {
        /* Source code and base64 have few escapes: copy the text between two escapes with one
         * call. */
        const uint8_t *escape = memchr(at, '\\', (size_t)(end - at));
        size_t n_plain = (size_t)((escape != NULL ? escape : end) - at);
        size_t n_code;

        memmove(out + n, at, n_plain);
        n += n_plain;
        if (escape == NULL)
            break;
        at = unescape_one(escape, end, out + n, &n_code);
        n += n_code;
    }
    assert(n <= string.n - 2);
    return n;
}

/* Whether a string's inside, [at, end), equals text[0 .. n) once unescaped. Compares piece by
 * piece, without allocating memory. */
static bool equals_escaped(const uint8_t *at, const uint8_t *end, const char *text, size_t n)
{
    while (at < end) {
        char piece[4] = {(char)*at}; /* a single byte, unless an escape begins here */
        size_t n_piece = 1;

        if (*at == '\\')
            at = unescape_one(at, end, piece, &n_piece);
        else
            at++;
        if (n < n_piece || memcmp(piece, text, n_piece) != 0)
            return false;
        text += n_piece;
        n -= n_piece;
    }
    return n == 0;
}

bool json_equals(struct json_slice string, const char *text)
{
    const char *inside = string.text + 1;
    size_t n_inside = string.n - 2, n = strlen(text);

    assert(string.kind == JSON_STRING && string.n >= 2);
    if (n_inside < n)
        return false; /* an unescaped string is never longer than the escaped one */
    if (memchr(inside, '\\', n_inside) == NULL)
        return n_inside == n && memcmp(inside, text, n) == 0;
    return equals_escaped((const uint8_t *)inside, (const uint8_t *)inside + n_inside, text, n);
}

/* Append c as an escape. c: a control byte, a quote or a backslash; DEL needs no escape. */
static void quote_ascii(struct buf *out, uint8_t c)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    const char *found = c != '\0' ? strchr(plain, c) : NULL;
    char text[8];

    if (found != NULL)
        (void)snprintf(text, sizeof(text), "\\%c", letter[found - plain]);
    else
        (void)snprintf(text, sizeof(text), "\\u%04x", c);
    buf_add_text(out, text);
}

void json_quote(struct buf *out, const char *text, size_t n)
{
    const uint8_t *at = (const uint8_t *)(n > 0 ? text : ""), *end = at + n;

    buf_add(out, "\"", 1);
    while (at < end) {
        const uint8_t *from = at;

        at = scan_special((const uint8_t *)text, at, end);
        buf_add(out, from, (size_t)(at - from));
        if (at == end)
            break;
        from = at;
        if (*at < 0x80) { /* scan_special() also stops at every byte from 0x80 up */
            quote_ascii(out, *at++);
        } else if (utf8_next(&at, end)) {
            buf_add(out, from, (size_t)(at - from));
        } else {
            buf_add_text(out, "\xef\xbf\xbd");
            /* `at` is the byte that breaks the character. That byte is read again, since it may
             * begin the next character. If it is the broken character's first byte, it begins no
             * character, and is skipped. */
            at = at > from ? at : from + 1;
        }
    }
    buf_add(out, "\"", 1);
}

void json_add_member(struct buf *out, const char *comma, struct json_slice key,
                     struct json_slice value)
{
    buf_add_text(out, comma);
    buf_add(out, key.text, key.n);
    buf_add_text(out, ":");
    buf_add(out, value.text, value.n);
}

void json_add_error(struct buf *out, const char *text)
{
    buf_add_text(out, "{\"error\":");
    json_quote(out, text, strlen(text));
    buf_add_text(out, "}");
}

void json_compact(struct buf *out, struct json_slice slice)
{
    const uint8_t *at = (const uint8_t *)slice.text, *end = at + slice.n;
    char *start = buf_room(out, slice.n), *to = start; /* the compact text is never longer */

    assert(slice.kind != JSON_BAD);
    while (at < end) {
        if (*at == '"') {
            const uint8_t *behind = skip_string(at, end);

            memcpy(to, at, (size_t)(behind - at));
            to += behind - at;
            at = behind;
        } else {
            if (!is_space(*at))
                *to++ = (char)*at;
            at++;
        }
    }
    assert((size_t)(to - start) <= slice.n);
    buf_added(out, (size_t)(to - start));
}

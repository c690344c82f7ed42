#pragma once

/*
 * utf8 - read and write one character. Only this file, and scan.h for whole blocks, says what
 * well-formed UTF-8 is.
 */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define UTF8_BYTE_ORDER_MARK "\xef\xbb\xbf"

/* Length of the byte order mark that the text begins with, as some Windows editors write it; 0: it
 * has none. */
static inline size_t utf8_mark_length(const char *text, size_t n)
{
    size_t n_mark = sizeof(UTF8_BYTE_ORDER_MARK) - 1;

    return n >= n_mark && memcmp(text, UTF8_BYTE_ORDER_MARK, n_mark) == 0 ? n_mark : 0;
}

/*
 * Advance *at over one character beyond ASCII. false: *at is the byte that breaks the character, or
 * `end` if the text ends within the character. Source: Unicode 15, table 3-7. The second byte has a
 * narrower range after some first bytes, which excludes overlong forms, surrogates and values above
 * U+10FFFF.
 */
static inline bool utf8_next(const uint8_t **at, const uint8_t *end)
{
    uint8_t first = **at;
    uint8_t low = 0x80, high = 0xbf;
    int n_more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;

    assert(first >= 0x80);
    if (first < 0xc2 || first > 0xf4)
        return false;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    for (++*at; n_more > 0; n_more--, ++*at) {
        if (*at == end || **at < low || **at > high)
            return false;
        low = 0x80;
        high = 0xbf;
    }
    return true;
}

/* Write a character, at most 0x10ffff, to out, which has room for 4 bytes. Returns the number of
 * bytes written. */
static inline size_t utf8_put(unsigned code, char *out)
{
    assert(code <= 0x10ffff);
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

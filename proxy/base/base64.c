#include "base/base64.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/buf.h"

/* Text is decoded in pieces, through arrays on the stack: OpenSSL does not promise that it can
 * decode in place. */
#define PIECE_CHARS 16384
#define PIECE_BYTES (PIECE_CHARS / 4 * 3)

/* ---- an action's code: large, padded, with line ends ---- */

/* Whether a character may stand between base64 characters. Go's decoder accepts only line ends
 * there. We also accept blanks: they come from an unquoted `$(base64 FILE)` in a shell. */
static bool is_gap(char c)
{
    return c == '\r' || c == '\n' || c == ' ' || c == '\t';
}

static inline bool is_base64(char c)
{
    /* One bit per byte value: digits, '+' and '/' in the first word, letters in the second. */
    static const uint64_t set[4] = {0x03ff880000000000, 0x07fffffe07fffffe, 0, 0};
    uint8_t byte = (uint8_t)c;

    return set[byte / 64] >> (byte % 64) & 1;
}

/* Whether all four characters are base64. Uses & to avoid branches: almost all of a large text is
 * checked here. */
static inline bool are_base64(const char *four)
{
    int first = is_base64(four[0]), second = is_base64(four[1]);
    int third = is_base64(four[2]), fourth = is_base64(four[3]);

    return first & second & third & fourth;
}

static size_t skip_gaps(const char *text, size_t n, size_t at)
{
    while (at < n && is_gap(text[at]))
        at++;
    return at;
}

/* Check the padding, one or two '='. at: the offset behind the first '='. true: the padding is
 * complete, and only line ends or blanks follow it. */
static bool padding_is_good(const char *text, size_t n, size_t at, struct base64_text *found)
{
    size_t tail = found->n_chars % 4;

    assert(text[at - 1] == '=');
    found->fault_at = at - 1;
    if (tail < 2)
        return false;
    if (tail == 2) {
        at = skip_gaps(text, n, at);
        found->fault_at = at == n ? n : at - 1;
        if (at == n || text[at++] != '=')
            return false;
    }
    found->n_chars += 4 - tail;
    found->fault_at = at = skip_gaps(text, n, at);
    return at == n;
}

/* OpenSSL also accepts invalid text, such as '=' in the middle, so it is only given text that has
 * passed this check. */
bool base64_check(const char *text, size_t n, struct base64_text *found)
{
    size_t at = 0;

    *found = (struct base64_text){0};
    while (at < n) {
        size_t from = at;

        while (n - at >= 4 && are_base64(text + at))
            at += 4;
        while (at < n && is_base64(text[at]))
            at++;
        found->n_chars += at - from;
        if (at == n)
            break;
        if (text[at] == '=')
            return padding_is_good(text, n, at + 1, found);
        if (!is_gap(text[at])) {
            found->fault_at = at;
            return false;
        }
        at++;
    }
    assert(at == n);
    found->fault_at = n - found->n_chars % 4;
    return found->n_chars % 4 == 0;
}

/* Copy up to max characters from offset *at on, without line ends and blanks, and move *at behind
 * the last character read. Returns the number copied. */
static size_t take(const char *text, size_t n, size_t *at, char *chars, size_t max)
{
    size_t n_near = n - *at < max ? n - *at : max;
    size_t n_taken = 0;

    assert(*at <= n);
    /* Most base64 is a single line, so nothing has to be left out. */
    if (memchr(text + *at, '\n', n_near) == NULL && memchr(text + *at, '\r', n_near) == NULL &&
        memchr(text + *at, ' ', n_near) == NULL && memchr(text + *at, '\t', n_near) == NULL) {
        memcpy(chars, text + *at, n_near);
        *at += n_near;
        return n_near;
    }
    while (*at < n && n_taken < max) {
        if (!is_gap(text[*at]))
            chars[n_taken++] = text[*at];
        ++*at;
    }
    return n_taken;
}

/* Decode chars[0 .. n), which is valid. n: a multiple of 4. Returns the number of bytes that the
 * text stands for; up to two zero bytes more are written to out. */
static size_t decode(const char *chars, size_t n, unsigned char *out)
{
    size_t n_padding = 0;
    int n_out;

    assert(n > 0 && n % 4 == 0 && n <= PIECE_CHARS);
    while (n_padding < 2 && chars[n - 1 - n_padding] == '=')
        n_padding++;
    n_out = EVP_DecodeBlock(out, (const unsigned char *)chars, (int)n);
    assert(n_out == (int)(n / 4 * 3)); /* OpenSSL writes and counts a zero byte for each '=' */
    return (size_t)n_out - n_padding;
}

size_t base64_replace(const char *text, size_t n, char *out)
{
    unsigned char bytes[PIECE_BYTES];
    char chars[PIECE_CHARS];
    size_t at = 0, n_out = 0;

    for (;;) {
        size_t n_chars = take(text, n, &at, chars, sizeof(chars));
        size_t n_bytes;

        if (n_chars == 0)
            return n_out;
        while (n_chars % 4 > 0) /* the last piece of an unpadded text */
            chars[n_chars++] = '=';
        n_bytes = decode(chars, n_chars, bytes);
        memcpy(out + n_out, bytes, n_bytes);
        n_out += n_bytes;
    }
}

size_t base64_head(const char *text, size_t n, char *out, size_t size)
{
    unsigned char bytes[PIECE_BYTES];
    char chars[PIECE_CHARS];
    size_t at = 0, n_bytes;

    assert(size % 3 == 0 && size <= sizeof(bytes));
    n_bytes = decode(chars, take(text, n, &at, chars, size / 3 * 4), bytes);
    assert(n_bytes <= size);
    memcpy(out, bytes, n_bytes);
    return n_bytes;
}

/* ---- small texts ---- */

void base64_encode(struct buf *out, const char *bytes, size_t n)
{
    /* Every piece but the last is a multiple of 3 bytes long, so only the last one is padded. */
    for (size_t at = 0; at < n; at += PIECE_BYTES) {
        size_t n_here = n - at < PIECE_BYTES ? n - at : PIECE_BYTES;
        char *room = buf_room(out, (n_here + 2) / 3 * 4 + 1); /* OpenSSL adds a NUL */
        int n_chars =
            EVP_EncodeBlock((unsigned char *)room, (const unsigned char *)bytes + at, (int)n_here);

        assert(n_chars == (int)((n_here + 2) / 3 * 4));
        buf_added(out, (size_t)n_chars);
    }
}

bool base64_decode(struct buf *out, const char *text, size_t n)
{
    size_t n_chars = 0, n_padding = 0;

    for (size_t at = 0; at < n; at++) {
        if (text[at] == '\n' || text[at] == '\r')
            continue;
        if (text[at] == '=')
            n_padding++;
        else if (n_padding == 0 && is_base64(text[at]))
            n_chars++;
        else
            return false;
    }
    if (n_chars % 4 == 1 || n_padding > 2 || (n_padding > 0 && (n_chars + n_padding) % 4 > 0))
        return false;
    if (n_chars > 0)
        buf_added(out, base64_replace(text, n, buf_room(out, (n_chars + 3) / 4 * 3)));
    return true;
}

/*
 * fuzz_base64 - any bytes both ways, and any text against a decoder of a few lines, Go's rules.
 */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/util.h"

#define HEAD_BYTES 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Bytes put into out; -1: it is none. Line ends are nowhere. */
static ptrdiff_t simply(const char *text, size_t n, char *out)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n_chars = 0, n_padding = 0;
    ptrdiff_t n_out = 0;
    unsigned bits = 0;

    for (size_t i = 0; i < n; i++) {
        const char *found = memchr(alphabet, text[i], sizeof(alphabet) - 1);

        if (memchr("\n\r \t", text[i], 4) != NULL)
            continue;
        n_chars++;
        n_padding += text[i] == '=' ? 1 : 0;
        if (n_padding == 0 && found == NULL)
            return -1;
        if (n_padding > 0 && text[i] != '=')
            return -1;
        bits = bits << 6 | (found != NULL ? (unsigned)(found - alphabet) : 0);
        if (n_chars % 4 == 0)
            for (int shift = 16; shift >= 0; shift -= 8)
                out[n_out++] = (char)(bits >> shift);
    }
    return n_chars % 4 == 0 && n_padding <= 2 ? n_out - (ptrdiff_t)n_padding : -1;
}

/* Small text may be without its padding, and without that only. */
static void try_small(const char *text, size_t n, const char *wanted, ptrdiff_t n_wanted)
{
    auto_free char *padded = xmalloc(n + 4), *whole = xmalloc(n + 4);
    struct buf got = {0};

    memcpy(padded, text, n);
    memset(padded + n, '=', 4);
    if (n_wanted < 0 && memchr(text, '=', n) == NULL) {
        n_wanted = simply(padded, (n + 3) / 4 * 4, whole);
        wanted = whole;
    }
    assert(base64_decode(&got, text, n) == (n_wanted >= 0));
    assert(n_wanted <= 0 || buf_len(&got) == (size_t)n_wanted);
    assert(n_wanted <= 0 || memcmp(buf_at(&got), wanted, (size_t)n_wanted) == 0);
    buf_done(&got);
}

static void try_text(const char *text, size_t n)
{
    auto_free char *wanted = xmalloc(n + 3);
    auto_free char *got = xstrndup(text, n); /* it is decoded where it lies */
    ptrdiff_t n_wanted = simply(text, n, wanted);
    bool has_gaps = memchr(text, '\n', n) != NULL || memchr(text, '\r', n) != NULL ||
                    memchr(text, ' ', n) != NULL || memchr(text, '\t', n) != NULL;
    struct base64_text found;

    assert(base64_check(text, n, &found) == (n_wanted >= 0));
    assert(found.fault_at <= n);
    if (!has_gaps)
        try_small(text, n, wanted, n_wanted);
    if (n_wanted < 0)
        return;
    assert(found.n_chars % 4 == 0 && found.n_chars / 4 * 3 < (size_t)n_wanted + 3);
    if (found.n_chars > 0) {
        char head[HEAD_BYTES];
        size_t n_head = base64_head(text, n, head, sizeof(head));

        assert(n_head == ((size_t)n_wanted < sizeof(head) ? (size_t)n_wanted : sizeof(head)));
        assert(memcmp(head, wanted, n_head) == 0);
    }
    assert(base64_replace(got, n, got) == (size_t)n_wanted);
    assert(memcmp(got, wanted, (size_t)n_wanted) == 0);
}

/* The padding may be left out where it is small. */
static void try_bytes(const char *bytes, size_t n)
{
    struct buf text = {0}, back = {0};
    size_t n_padding = (3 - n % 3) % 3;

    base64_encode(&text, bytes, n);
    assert(buf_len(&text) == (n + 2) / 3 * 4);
    if (n > 0)
        try_text(buf_at(&text), buf_len(&text));
    assert(base64_decode(&back, buf_at(&text), buf_len(&text) - n_padding));
    assert(buf_len(&back) == n && (n == 0 || memcmp(buf_at(&back), bytes, n) == 0));
    buf_done(&text);
    buf_done(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    try_text((const char *)data, n);
    try_bytes((const char *)data, n);
    return 0;
}

#include "base/base64.h"

#include <stdint.h>
#include <string.h>

#include "base/buf.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *out, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i += 3) {
        size_t n_here = n - i < 3 ? n - i : 3;
        char four[4] = {'=', '=', '=', '='};
        uint32_t bits = 0;

        for (size_t j = 0; j < 3; j++)
            bits = bits << 8 | (j < n_here ? (uint8_t)bytes[i + j] : 0U);
        for (size_t j = 0; j <= n_here; j++)
            four[j] = letters[bits >> (18 - 6 * j) & 63];
        buf_add(out, four, sizeof(four));
    }
}

bool base64_decode(struct buf *out, const char *text, size_t n)
{
    struct buf bytes = {0};
    uint32_t bits = 0;
    size_t n_letters;

    for (unsigned i = 0; i < 2 && n > 0 && text[n - 1] == '='; i++)
        n--;
    for (n_letters = 0; n_letters < n; n_letters++) {
        const char *letter = memchr(letters, text[n_letters], sizeof(letters) - 1);
        unsigned n_bits = (unsigned)(n_letters % 4) * 2; /* left in the byte that is begun */
        char byte;

        if (letter == NULL)
            break;
        bits = bits << 6 | (uint32_t)(letter - letters);
        if (n_bits == 0)
            continue;
        byte = (char)(bits >> (6 - n_bits) & 255);
        buf_add(&bytes, &byte, 1);
    }
    if (n_letters == n && n % 4 != 1 && buf_len(&bytes) > 0)
        buf_add(out, buf_at(&bytes), buf_len(&bytes));
    buf_done(&bytes);
    return n_letters == n && n % 4 != 1;
}

/*
 * fuzz_line - any bytes in pieces of any size, against lines that are cut from the whole at once.
 *
 * The first two bytes of the input are the bound and the size of the pieces.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/line.h"
#include "base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What the whole input still has to give. */
struct rest {
    const char *text;
    size_t n;
};

/* The next line of the whole must be this one. */
static void check_line(struct rest *rest, enum line_result result, const char *text, size_t n,
                       size_t max_bytes)
{
    const char *newline = memchr(rest->text, '\n', rest->n);
    size_t len = newline != NULL ? (size_t)(newline - rest->text) : rest->n;

    if (result == LINE_READY) {
        assert(newline != NULL && len <= max_bytes);
        assert(n == len && memcmp(text, rest->text, n) == 0);
    } else {
        assert(len > max_bytes);
    }
    len += newline != NULL ? 1 : 0;
    rest->text += len;
    rest->n -= len;
}

static void take(struct line *line, struct rest *rest)
{
    enum line_result result;
    const char *text;
    size_t n;

    while ((result = line_next(line, &text, &n)) != LINE_NONE)
        check_line(rest, result, text, n, line->max_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct rest rest;
    struct line line;
    const char *text;
    size_t piece;

    if (n < 2)
        return 0;
    line_init(&line, data[0]);
    piece = (size_t)data[1] + 1;
    rest = (struct rest){(const char *)data + 2, n - 2};
    for (size_t at = 2; at < n; at += piece) {
        piece = n - at < piece ? n - at : piece;
        memcpy(line_room(&line, piece), data + at, piece);
        line_added(&line, piece);
        take(&line, &rest);
    }
    /* What is left is the unfinished line, or nothing of one that is too long and told already. */
    n = line_rest(&line, &text);
    assert(n == rest.n && (n == 0 || memcmp(text, rest.text, n) == 0));
    line_done(&line);
    return 0;
}

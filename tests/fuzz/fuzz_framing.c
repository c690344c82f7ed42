/*
 * fuzz_framing - any bytes as a request's head and as a chunked body, whole and in pieces.
 *
 * The first byte of the input is the size of the pieces, and says which of the two it is.
 */

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "http/framing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A line of the head as RFC 9112 has it: a name, no control character but the tab. */
static void check_field(struct span name, struct span value, struct span line)
{
    assert(name.n > 0 && line.n >= 3 && line.text[line.n - 2] == '\r');
    for (size_t i = 0; i < name.n; i++)
        assert(name.text[i] > ' ' && name.text[i] < 0x7f && name.text[i] != ':');
    for (size_t i = 0; i < value.n; i++)
        assert(value.text[i] == '\t' ||
               ((unsigned char)value.text[i] >= 0x20 && value.text[i] != 0x7f));
}

/* A line of a head that libh2o gets as it is. */
static void check_as_it_is(const struct head *head, struct span name, struct span value,
                           struct span line)
{
    char digits[24];

    assert(!span_is(name, "expect") && !span_is(name, "upgrade"));
    if (!span_is(name, "content-length"))
        return;
    assert(value.text + value.n + 2 == line.text + line.n && value.n <= LENGTH_MAX_DIGITS);
    (void)snprintf(digits, sizeof(digits), "%" PRIu64, head->length);
    assert(strlen(digits) == value.n && memcmp(digits, value.text, value.n) == 0);
}

static void check_head(const struct head *head, size_t n)
{
    struct span name, value, line;
    size_t at = 0;
    unsigned n_fields = 0, n_hosts = 0, n_lengths = 0, n_codings = 0;

    assert(head->n <= n && head->n <= HEAD_MAX_BYTES && head->method.n > 0);
    assert(head->target.n <= TARGET_MAX_BYTES);
    for (size_t i = 0; i < head->target.n; i++)
        assert((unsigned char)head->target.text[i] > ' ' && head->target.text[i] != 0x7f);
    while (head_next_field(head->fields, &at, &name, &value, &line)) {
        check_field(name, value, line);
        if (head->as_it_is)
            check_as_it_is(head, name, value, line);
        n_fields++;
        n_hosts += span_is(name, "host");
        n_lengths += span_is(name, "content-length");
        n_codings += span_is(name, "transfer-encoding");
    }
    assert(at == head->fields.n && n_fields <= HEAD_MAX_FIELDS && n_hosts <= 1);
    assert(head->minor == 0 || n_hosts == 1);
    assert(head->has_length == (n_lengths > 0) && head->is_chunked == (n_codings > 0));
    assert(!(head->has_length && head->is_chunked));
    assert(!head->as_it_is ||
           (n_lengths <= 1 && n_codings == 0 && !head->closes && head->authority.text == NULL));
}

/* What is bad stays bad and what is whole stays the same when more comes. */
static void try_head(const char *text, size_t n, size_t piece)
{
    struct head whole, part;
    enum framing found = head_read(&whole, text, n);

    if (found == FRAMING_WHOLE)
        check_head(&whole, n);
    if (found == FRAMING_BAD)
        assert(whole.status >= 400 && whole.status < 600 && whole.why != NULL);
    if (n > 4096) /* each piece is read from the beginning */
        return;
    for (size_t n_seen = 0; n_seen < n; n_seen += piece) {
        auto_free char *tight = xmalloc(n_seen + 1);
        enum framing early;

        memcpy(tight, text, n_seen);
        early = head_read(&part, tight, n_seen);
        if (early == FRAMING_MORE)
            continue;
        assert(early == found);
        if (early == FRAMING_WHOLE)
            assert(part.n == whole.n && part.length == whole.length);
        return;
    }
}

static enum framing read_chunks(const char *text, size_t n, size_t piece, struct buf *body,
                                size_t *used)
{
    struct chunks chunks;
    enum framing found = FRAMING_MORE;

    memset(&chunks, 0, sizeof(chunks));
    *used = 0;
    while (*used < n && found == FRAMING_MORE) {
        size_t n_piece = n - *used < piece ? n - *used : piece, n_used;
        struct span data;

        found = chunks_read(&chunks, text + *used, n_piece, &n_used, &data);
        assert(n_used > 0 && n_used <= n_piece && data.n <= n_used);
        if (data.n > 0)
            buf_add(body, data.text, data.n);
        *used += n_used;
    }
    assert((found == FRAMING_BAD) == (chunks.why != NULL));
    return found;
}

static void try_chunks(const char *text, size_t n, size_t piece)
{
    struct buf at_once = {0}, in_pieces = {0};
    size_t used, used_in_pieces;
    enum framing found = read_chunks(text, n, n + 1, &at_once, &used);

    assert(read_chunks(text, n, piece, &in_pieces, &used_in_pieces) == found);
    assert(used == used_in_pieces && buf_len(&at_once) == buf_len(&in_pieces));
    if (buf_len(&at_once) > 0)
        assert(memcmp(buf_at(&at_once), buf_at(&in_pieces), buf_len(&at_once)) == 0);
    buf_done(&at_once);
    buf_done(&in_pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 1)
        return 0;
    if ((data[0] & 1) == 0)
        try_head((const char *)data + 1, n - 1, (data[0] >> 1) + 1);
    else
        try_chunks((const char *)data + 1, n - 1, (data[0] >> 1) + 1);
    return 0;
}

#include "http/reason.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "action/frames.h"
#include "action/user_names.h"
#include "base/err.h"
#include "base/util.h"
#include "http/request.h"
#include "pool/pool.h"

/* Bytes kept of the end of what the action wrote. At times up to twice as many are kept. */
#define SAID_MAX_BYTES   4096
#define HEADER_MAX_BYTES 2048 /* most bytes of the value: some proxies limit all headers to 4 KiB */
#define GAP              "%0A...%0A"

static void on_bytes(struct output_tap *tap, const void *owner, const char *bytes, size_t n)
{
    struct reason *reason = container_of(tap, struct reason, tap);

    if (reason->serving != NULL && pool_writer(reason->serving, owner) != 0)
        return;
    buf_add(&reason->said, bytes, n);
    if (buf_len(&reason->said) > 2 * SAID_MAX_BYTES)
        buf_drop(&reason->said, buf_len(&reason->said) - SAID_MAX_BYTES);
}

void reason_listen(struct reason *reason, struct output *out, struct output *err,
                   const struct pool *serving)
{
    assert(reason->streams[0] == NULL);
    assert(out->tap == NULL); /* only one action starts at a time: no other has set a tap */
    assert(err->tap == NULL);
    reason->tap.on_bytes = on_bytes;
    reason->serving = serving;
    reason->streams[0] = out;
    reason->streams[1] = err;
    out->tap = err->tap = &reason->tap;
}

void reason_done(struct reason *reason)
{
    assert(reason->streams[0] == NULL || reason->streams[0]->tap == &reason->tap);
    for (size_t i = 0; i < ARRAY_LEN(reason->streams); i++) {
        if (reason->streams[i] != NULL)
            reason->streams[i]->tap = NULL;
        reason->streams[i] = NULL;
    }
    buf_done(&reason->said);
}

static void put_trimmed(const char *text, size_t n, const struct user_names *names, struct buf *out)
{
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    user_names_put(names, text, n, out);
}

void reason_compose(const struct reason *reason, const struct err *err, const struct buf *why,
                    const struct user_names *names, const char *launchers, struct buf *out)
{
    if (buf_len(why) > 0) {
        put_trimmed(buf_at(why), buf_len(why), names, out);
        return;
    }
    if (reason->lacks != NULL) {
        put_trimmed(reason->lacks, strlen(reason->lacks), names, out);
        buf_add_text(out, "\n");
    }
    put_trimmed(err->text, strlen(err->text), names, out);
    if (err->detail[0] != '\0') {
        buf_add_text(out, " (");
        user_names_put(names, err->detail, strlen(err->detail), out);
        buf_add_text(out, ")");
    }
    if (buf_len(&reason->said) > 0) {
        auto_buf struct buf said = {0};

        frames_put_users(buf_at(&reason->said), buf_len(&reason->said), launchers, &said);
        buf_add_text(out, "\n");
        put_trimmed(buf_at(&said), buf_len(&said), names, out);
    }
}

/* Cut the middle out of an encoded text, so that HEADER_MAX_BYTES are left. */
static void shorten(struct buf *value)
{
    const char *bytes = buf_at(value);
    size_t head = HEADER_MAX_BYTES / 4, tail;
    struct buf cut = {0};

    /* Do not cut within a percent-encoded byte (%XX). */
    while (head > 0 && (bytes[head - 1] == '%' || bytes[head - 2] == '%'))
        head--;
    tail = buf_len(value) - (HEADER_MAX_BYTES - head - strlen(GAP));
    while (bytes[tail - 1] == '%' || bytes[tail - 2] == '%')
        tail++;
    buf_add(&cut, bytes, head);
    buf_add_text(&cut, GAP);
    buf_add(&cut, bytes + tail, buf_len(value) - tail);
    assert(buf_len(&cut) <= HEADER_MAX_BYTES);
    buf_done(value);
    *value = cut;
}

void reason_add_header(struct request *request, const char *text, size_t n)
{
    auto_buf struct buf value = {0};
    char encoded[4];

    for (size_t i = 0; i < n; i++) {
        if (text[i] >= ' ' && text[i] < 0x7f && text[i] != '%') {
            buf_add(&value, &text[i], 1);
        } else {
            (void)snprintf(encoded, sizeof(encoded), "%%%02X", (unsigned)(unsigned char)text[i]);
            buf_add_text(&value, encoded);
        }
    }
    if (buf_len(&value) > HEADER_MAX_BYTES)
        shorten(&value);
    if (buf_len(&value) > 0)
        request_add_header_copy(request, (struct span)SPAN(REASON_HEADER),
                                (struct span){buf_at(&value), buf_len(&value)});
}

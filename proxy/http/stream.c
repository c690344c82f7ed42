#include "http/stream.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/util.h"
#include "http/request.h"
#include "worker/part_form.h"

static const struct part_form events = {
    "data: ", "\n\n", "event: result\ndata: ", "\n\n", "event: error\ndata: ", "\n\n"};

static const struct {
    const char *type;
    const struct part_form *form;
} kinds[] = {
    [STREAM_EVENTS] = {"text/event-stream", &events},
    [STREAM_LINES] = {"application/x-ndjson", &part_lines},
};

/* ---- what the client asks for ---- */

/* Whether a parameter is "q=0" or "q=0.000": the client does not want the type. */
static bool is_zero(struct span parameter)
{
    if (parameter.n < 3 || strncasecmp(parameter.text, "q=", 2) != 0)
        return false;
    for (size_t i = 2; i < parameter.n; i++)
        if (parameter.text[i] != '0' && parameter.text[i] != '.')
            return false;
    return true;
}

static enum stream_kind kind_among(struct span rest)
{
    while (rest.n > 0) {
        struct span range = span_cut(&rest, ',');
        struct span type = span_trimmed(span_cut(&range, ';'));
        bool is_wanted = true;

        while (range.n > 0)
            is_wanted = is_wanted && !is_zero(span_trimmed(span_cut(&range, ';')));
        for (enum stream_kind kind = STREAM_EVENTS; is_wanted && kind <= STREAM_LINES; kind++)
            if (span_is(type, kinds[kind].type))
                return kind;
    }
    return STREAM_NONE;
}

enum stream_kind stream_asked(const struct request *request)
{
    enum stream_kind kind = STREAM_NONE;
    ssize_t at = -1;
    struct span list = request_accept(request, &at);

    /* A list may be spread over several headers: RFC 9110 5.3 */
    for (; kind == STREAM_NONE && list.text != NULL; list = request_accept(request, &at))
        kind = kind_among(list);
    return kind;
}

/* ---- the form of the reply ---- */

bool stream_begin(struct request *request, enum stream_kind kind, int status)
{
    assert(kind == STREAM_EVENTS || kind == STREAM_LINES);
    request_add_header(request, "cache-control", "no-cache");
    request_add_header(request, "x-accel-buffering", "no"); /* makes nginx pass parts on at once */
    return request_stream(request, status, kinds[kind].type);
}

void stream_refuse(struct request *request, enum stream_kind kind, int status, struct buf *bytes)
{
    size_t n = buf_len(bytes);

    assert(kind == STREAM_EVENTS || kind == STREAM_LINES);
    assert(bytes->start == 0);
    request_set_type(request, kinds[kind].type, strlen(kinds[kind].type));
    /* The text begins at bytes->bytes: nothing was dropped from the buffer's front. */
    request_reply(request, status, TAKE(bytes->bytes), n);
}

const struct part_form *stream_form(enum stream_kind kind)
{
    assert(kind != STREAM_NONE && kind < ARRAY_LEN(kinds)); /* STREAM_SHAPED has no part_form */
    return kinds[kind].form;
}

#include "http/trace.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"

enum {
    TRACEPARENT,
    TRACESTATE,
    REQUEST_ID,
};

#define STATE_MAX_BYTES 512 /* the least that W3C asks implementations to pass on */
#define ID_MAX_BYTES    128

/* Indexed by TRACEPARENT, TRACESTATE and REQUEST_ID. */
static const struct span headers[TRACE_N_HEADERS] = {
    SPAN("traceparent"), SPAN("tracestate"),
    SPAN("x-request-id"), /* the platform's controller reads this header, too */
};
static const char *const members[TRACE_N_HEADERS] = {"traceparent", "tracestate", "transaction_id"};

/* ---- which values are taken ---- */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Whether the value has 1 to `max` characters from `lowest` to '~', none of which needs an escape
 * in JSON. */
static bool is_printable(const struct span *value, char lowest, size_t max)
{
    for (size_t i = 0; i < value->n; i++)
        if (value->text[i] < lowest || value->text[i] > '~' || value->text[i] == '"' ||
            value->text[i] == '\\')
            return false;
    return value->n > 0 && value->n <= max;
}

/* Whether this is a valid traceparent, whose two ids must not be all zeros. Source: W3C Trace
 * Context 3.2.2. */
static bool is_traceparent(const struct span *value)
{
    static const char form[] = "00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
    static const char zeroes[] = "00000000000000000000000000000000";
    const char *text = value->text;

    if (value->n != sizeof(form) - 1)
        return false;
    for (size_t i = 0; i < value->n; i++)
        if (form[i] == 'x' ? !is_hex(text[i]) : text[i] != form[i])
            return false;
    return memcmp(text + 3, zeroes, 32) != 0 && memcmp(text + 36, zeroes, 16) != 0;
}

static bool may_pass(const struct trace *trace, size_t i)
{
    const struct span *value = &trace->values[i];

    assert(i < TRACE_N_HEADERS);
    if (value->text == NULL)
        return false;
    if (i == TRACEPARENT)
        return is_traceparent(value);
    if (i == TRACESTATE)
        return trace->values[TRACEPARENT].text != NULL && is_printable(value, ' ', STATE_MAX_BYTES);
    return is_printable(value, '!', ID_MAX_BYTES);
}

/* ---- taking the headers and sending them back ---- */

void trace_take(struct trace *trace, struct request *request)
{
    trace->any = request_headers(request, headers, TRACE_N_HEADERS, trace->values);
    if (!trace->any) /* as usual: the platform's invoker sends none of these headers */
        return;
    trace->any = false;
    for (size_t i = 0; i < TRACE_N_HEADERS; i++) {
        if (may_pass(trace, i)) {
            request_add_header_copy(request, headers[i], trace->values[i]);
            trace->any = true;
        } else {
            trace->values[i].text = NULL;
        }
    }
}

void trace_members(const struct trace *trace, struct json_slice object, struct buf *out)
{
    struct json_slice value;
    size_t n_before = buf_len(out);
    bool has_parent = json_member(object, members[TRACEPARENT], &value);

    for (size_t i = 0; i < TRACE_N_HEADERS; i++) {
        /* A tracestate belongs to its traceparent: if the body has a traceparent itself, add
         * neither header. */
        if (trace->values[i].text == NULL || (has_parent && i != REQUEST_ID) ||
            json_member(object, members[i], &value))
            continue;
        buf_add_text(out, "\"");
        buf_add_text(out, members[i]);
        buf_add_text(out, "\":\"");
        buf_add(out, trace->values[i].text, trace->values[i].n);
        buf_add_text(out, "\",");
    }
    assert(buf_len(out) - n_before <= TRACE_MEMBERS_MAX_BYTES);
}

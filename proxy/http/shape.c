#include "http/shape.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/util.h"
#include "http/framing.h"
#include "http/request.h"

#define ASKS_FOR       "access-control-request-headers"
#define ALLOWS_ORIGIN  "access-control-allow-origin"
#define ALLOWS_METHODS "access-control-allow-methods"
#define ALLOWS_HEADERS "access-control-allow-headers"
#define CORS_ORIGIN    "*"
#define CORS_METHODS   "OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH"
#define CORS_HEADERS   "Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent"
#define TYPE_OF_TEXT   "text/plain; charset=utf-8"

/* ---- status, headers and body from the action's result ---- */

/* Add a string unescaped, any other value as compact JSON. */
static void add_text(struct buf *out, struct json_slice value)
{
    if (value.kind == JSON_STRING)
        buf_added(out, json_unescape(value, buf_room(out, value.n)));
    else
        json_compact(out, value);
}

/* What the action's own headers have set. We add defaults for the rest. */
struct found {
    struct buf type; /* the content type; empty: not set */
    bool has_origin;
    bool has_methods;
    bool has_headers;
};

/* Whether our HTTP server writes this header itself: headers about framing, and the date. */
static bool is_servers(struct span name)
{
    static const char *const names[] = {
        "content-length", "transfer-encoding", "connection", "keep-alive",
        "upgrade",        "trailer",           "date"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (span_is(name, names[i]))
            return true;
    return false;
}

static void add_line(struct request *request, struct found *found, struct json_slice key,
                     struct json_slice json)
{
    auto_buf struct buf name_text = {0}, value_text = {0};
    struct span name, value;

    add_text(&name_text, key);
    add_text(&value_text, json);
    name = (struct span){buf_at(&name_text), buf_len(&name_text)};
    value = (struct span){buf_at(&value_text), buf_len(&value_text)};
    /* A newline in the value would begin another header, which a client of the action could then
     * forge. */
    if (!span_is_token(name) || !span_is_value(value) || is_servers(name))
        return;
    if (span_is(name, "content-type")) {
        buf_reset(&found->type, 0);
        buf_add(&found->type, value.text, value.n);
        return;
    }
    found->has_origin |= span_is(name, ALLOWS_ORIGIN);
    found->has_methods |= span_is(name, ALLOWS_METHODS);
    found->has_headers |= span_is(name, ALLOWS_HEADERS);
    request_add_header_copy(request, name, value);
}

/* Add a header of the action. If its value is a list, such as cookies, add one header line for each
 * item. */
static void add_header(struct request *request, struct found *found, struct json_slice key,
                       struct json_slice value)
{
    struct json_slice item;
    size_t at = 0;

    if (value.kind != JSON_ARRAY) {
        add_line(request, found, key, value);
        return;
    }
    while (json_next_item(value, &at, &item))
        add_line(request, found, key, item);
}

/* Allow the request headers that the browser asks for; if it asks for none, those that web actions
 * allow by default. */
static void allow_headers(struct request *request)
{
    struct span name, value;

    for (size_t i = 0; request_header_at(request, i, &name, &value); i++) {
        if (span_is(name, ASKS_FOR)) {
            request_add_header_copy(request, (struct span)SPAN(ALLOWS_HEADERS), value);
            return;
        }
    }
    request_add_header(request, ALLOWS_HEADERS, CORS_HEADERS);
}

static int status_of(struct json_slice value)
{
    char digits[8] = "";
    int status;

    if (value.kind == JSON_STRING && value.n > 2 && value.n - 2 < sizeof(digits))
        memcpy(digits, value.text + 1, value.n - 2);
    else if (value.kind == JSON_NUMBER && value.n < sizeof(digits))
        memcpy(digits, value.text, value.n);
    if (strlen(digits) != 3 || strspn(digits, "0123456789") != 3 || digits[0] < '2' ||
        digits[0] > '5')
        return 0;
    status = (int)strtol(digits, NULL, 10);
    assert(status >= 200 && status < 600);
    return status;
}

/* Add the result as the body of the reply, without the members that set its status and headers. */
static void add_rest(struct buf *out, struct json_slice result)
{
    struct json_slice key, value;
    const char *comma = "";
    size_t at = 0;

    assert(result.kind == JSON_OBJECT);
    buf_add_text(out, "{");
    while (json_next_member(result, &at, &key, &value)) {
        if (json_equals(key, "statusCode") || json_equals(key, "headers"))
            continue;
        json_add_member(out, comma, key, value);
        comma = ",";
    }
    buf_add_text(out, "}");
}

static bool is_image(const struct buf *type)
{
    return buf_len(type) >= 5 && memcmp(buf_at(type), "image", 5) == 0;
}

/* Add a JSON document to the body: for a string its text, base64-decoded if is_base64 is set; any
 * other document as it is written. */
static void add_content(struct buf *out, struct json_slice content, bool is_base64)
{
    auto_buf struct buf text = {0};

    if (content.kind != JSON_STRING) {
        buf_add(out, content.text, content.n);
        return;
    }
    add_text(&text, content);
    if (buf_len(&text) > 0 && !(is_base64 && base64_decode(out, buf_at(&text), buf_len(&text))))
        buf_add(out, buf_at(&text), buf_len(&text));
}

/* Add the CORS headers that let pages of any origin read the reply, unless the action has set its
 * own. */
static void add_cors(struct request *request, const struct found *found)
{
    if (!found->has_origin)
        request_add_header(request, ALLOWS_ORIGIN, CORS_ORIGIN);
    if (!found->has_methods)
        request_add_header(request, ALLOWS_METHODS, CORS_METHODS);
    if (!found->has_headers)
        allow_headers(request);
}

void shape_allow_all(struct request *request)
{
    add_cors(request, &(struct found){.has_origin = false});
}

static int read_status(struct json_slice result)
{
    struct json_slice value;
    int status = json_member(result, "statusCode", &value) ? status_of(value) : 0;

    return status != 0 ? status : 200;
}

/* Add the headers and the content type that the result asks for, and the CORS headers. */
static void add_head(struct request *request, struct json_slice result, struct found *found)
{
    struct json_slice headers, body, key, value;
    size_t at = 0;

    if (result.kind == JSON_OBJECT && json_member(result, "headers", &headers) &&
        headers.kind == JSON_OBJECT)
        while (json_next_member(headers, &at, &key, &value))
            add_header(request, found, key, value);
    if (buf_len(&found->type) == 0 && result.kind == JSON_OBJECT &&
        json_member(result, "body", &body) && body.kind == JSON_STRING)
        buf_add_text(&found->type, "text/html");
    if (buf_len(&found->type) > 0)
        request_set_type(request, buf_at(&found->type), buf_len(&found->type));
    add_cors(request, found);
}

void shape_reply(struct request *request, struct json_slice result)
{
    struct found found = {.has_origin = false};
    struct buf out = {0};
    struct json_slice body;
    int status = 200;
    size_t n;

    add_head(request, result, &found);
    if (result.kind != JSON_OBJECT) {
        buf_add(&out, result.text, result.n);
    } else {
        status = read_status(result);
        if (!json_member(result, "body", &body))
            add_rest(&out, result);
        else if (body.kind != JSON_NULL)
            add_content(&out, body, is_image(&found.type));
    }
    buf_done(&found.type);
    assert(out.start == 0);
    n = buf_len(&out);
    if (status == 200 && n == 0)
        status = 204;
    /* The text begins at out.bytes: nothing was dropped from the buffer's front. */
    request_reply(request, status, out.bytes, n);
}

/* ---- a reply in parts ---- */

bool shape_describes_reply(const char *part, size_t n)
{
    struct json_slice top = json_top(part, n), value;
    int status;

    if (top.kind != JSON_OBJECT)
        return false;
    status = read_status(top);
    return status != 204 && status != 304 &&
           (json_member(top, "statusCode", &value) || json_member(top, "headers", &value));
}

int shape_begin(struct shape *shape, struct request *request, const char *part, size_t n,
                struct buf *out)
{
    struct json_slice top = json_top(part, n), body;
    struct found found = {.has_origin = false};

    assert(top.kind == JSON_OBJECT); /* only called if shape_describes_reply() is true */
    add_head(request, top, &found);
    if (buf_len(&found.type) == 0)
        request_set_type(request, TYPE_OF_TEXT, strlen(TYPE_OF_TEXT));
    shape->is_base64 = is_image(&found.type);
    buf_done(&found.type);
    if (json_member(top, "body", &body) && body.kind != JSON_NULL)
        shape_add(shape, out, body.text, body.n);
    return read_status(top);
}

void shape_add(const struct shape *shape, struct buf *out, const char *part, size_t n)
{
    struct json_slice top = json_top(part, n);

    add_content(out, top, shape->is_base64);
    if (top.kind != JSON_STRING)
        buf_add_text(out, "\n");
}

/*
 * fuzz_knative - any bytes as a request to the single entry point, and as the action's answer to
 * it.
 *
 * The input is the query, a header's value, the body and the answer, each but the last ended by a
 * newline. This file is what stands around http/knative.c: the request, and the two handlers.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/util.h"
#include "http/init.h"
#include "http/knative.h"
#include "http/request.h"
#include "http/run.h"
#include "http/service.h"
#include "http/shape.h"
#include "http/trace.h"
#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct request {
    struct span query, header, body, answer;
    request_replied_fn *replied;
    void *owner;
    unsigned n_replies;
};

const char *request_body(const struct request *request, size_t *n)
{
    *n = request->body.n;
    return request->body.text;
}

struct span request_method(const struct request *request)
{
    (void)request;
    return (struct span){"POST", 4};
}

struct span request_query(const struct request *request)
{
    return request->query;
}

bool request_header_at(const struct request *request, size_t i, struct span *name,
                       struct span *value)
{
    *name = (struct span){"access-control-request-headers", 30};
    *value = request->header;
    return i == 0;
}

void request_set_body(struct request *request, const char *body, size_t n)
{
    request->body = (struct span){body, n};
}

void request_on_reply(struct request *request, request_replied_fn *replied, void *owner)
{
    request->replied = replied;
    request->owner = owner;
}

/* A header is one line, whatever the action has written. */
static void check_text(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert(text[i] != '\r' && text[i] != '\n' && text[i] != '\0');
}

void request_add_header_copy(struct request *request, struct span name, struct span value)
{
    (void)request;
    assert(name.n > 0);
    check_text(name.text, name.n);
    check_text(value.text, value.n);
}

void request_add_header(struct request *request, const char *name, const char *value)
{
    request_add_header_copy(request, (struct span){name, strlen(name)},
                            (struct span){value, strlen(value)});
}

void request_set_type(struct request *request, const char *type, size_t n)
{
    (void)request;
    check_text(type, n);
}

void request_reply(struct request *request, int status, char *body, size_t n)
{
    request_replied_fn *replied = TAKE(request->replied);

    if (replied != NULL) {
        replied(request->owner, request, status, body, n);
        return;
    }
    assert(status >= 200 && status <= 599);
    request->n_replies++;
    free(body);
}

void request_reply_error(struct request *request, int status, const char *text)
{
    assert(text[0] != '\0');
    request_reply(request, status, xstrdup(text), strlen(text));
}

/* One member of each name that is ours: who reads the last one must not get the client's. */
static void check_ours(struct json_slice value)
{
    struct json_slice key, member;
    size_t at = 0;
    unsigned n_users = 0, n_methods = 0;

    while (value.kind == JSON_OBJECT && json_next_member(value, &at, &key, &member)) {
        n_users += json_equals(key, "__ow_user");
        n_methods += json_equals(key, "__ow_method");
    }
    assert(n_users <= 1 && n_methods <= 1);
}

void init_on_request(void *owner, struct request *request)
{
    (void)owner;
    assert(json_check(request->body.text, request->body.n, NULL) == JSON_OBJECT);
    request_reply_error(request, 502, "no init here");
}

/* The answer as the first part, which may describe the reply. */
static void check_part(struct request *request, struct span part)
{
    struct shape shape = {0};
    struct buf out = {0};

    if (shape_describes_reply(part.text, part.n)) {
        int status = shape_begin(&shape, request, part.text, part.n, &out);

        assert(status >= 200 && status <= 599);
    }
    shape_add(&shape, &out, part.text, part.n);
    buf_done(&out);
}

void run_on_shaping_request(void *owner, struct request *request)
{
    struct json_slice value;

    (void)owner;
    assert(json_check(request->body.text, request->body.n, NULL) == JSON_OBJECT);
    if (json_member(json_top(request->body.text, request->body.n), "value", &value))
        check_ours(value);
    if (json_check(request->answer.text, request->answer.n, NULL) != JSON_BAD)
        check_part(request, request->answer);
    if (json_check(request->answer.text, request->answer.n, NULL) == JSON_OBJECT)
        request_reply(request, 200, xstrndup(request->answer.text, request->answer.n),
                      request->answer.n);
    else
        request_reply_error(request, 502, "no object");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *text = (const char *)data;
    static struct service service;
    struct knative knative = {.service = &service, .is_raw = n % 2 == 0};
    struct request request = {.n_replies = 0};

    request.query = cut(&text, &n);
    request.header = cut(&text, &n);
    for (size_t i = 0; i < request.header.n; i++) /* framing lets none through */
        if (request.header.text[i] == '\0' || request.header.text[i] == '\r')
            return 0;
    request.body = cut(&text, &n);
    request.answer = (struct span){text, n};
    knative_on_request(&knative, &request);
    assert(request.n_replies == 1);
    return 0;
}

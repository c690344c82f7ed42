#include "http/knative.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/loop.h"
#include "http/init.h"
#include "http/request.h"
#include "http/run.h"
#include "http/service.h"
#include "http/shape.h"

#define INIT_TWICE "Cannot initialize a runtime with a dedicated function."

/* One request to /, while the handlers of /init and /run work on it. */
struct passage {
    struct knative *knative; /* borrowed */
    struct request *request;
    struct buf init;           /* the body for http/init.c; empty: no init */
    struct buf run;            /* the body for http/run.c; empty: no activation */
    bool is_raw;               /* the action gets the body's member "value" as __ow_body */
    struct loop_post run_next; /* posted when the init is done: runs the activation */
};

static void passage_free(struct passage *passage)
{
    buf_done(&passage->init);
    buf_done(&passage->run);
    free(passage);
}

/* ---- settings ---- */

static bool is_true(const char *variable)
{
    const char *value = getenv(variable);

    return value != NULL && strcasecmp(value, "true") == 0;
}

/* "[get, post]" becomes "GET, POST"; unknown methods are left out; an empty list means POST. */
static void read_methods(char *out, size_t size, const char *list)
{
    static const char *const known[] = {"GET", "POST", "PUT", "DELETE", "OPTIONS"};
    size_t n = 0;

    out[0] = '\0';
    while (*list != '\0') {
        size_t n_word = strspn(list, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

        for (size_t i = 0; i < ARRAY_LEN(known); i++) {
            if (strlen(known[i]) == n_word && strncasecmp(known[i], list, n_word) == 0 &&
                strstr(out, known[i]) == NULL)
                n += (size_t)snprintf(out + n, size - n, "%s%s", n > 0 ? ", " : "", known[i]);
        }
        assert(n < size); /* all fit: each method is added at most once */
        list += n_word > 0 ? n_word : 1;
    }
    if (n == 0)
        (void)snprintf(out, size, "POST");
}

bool knative_read(struct knative *knative, struct service *service)
{
    const char *platform = getenv("__OW_RUNTIME_PLATFORM");
    const char *methods = getenv("__OW_HTTP_METHODS");

    if (platform == NULL || strcasecmp(platform, "knative") != 0)
        return false;
    knative->service = service;
    knative->is_raw = is_true("__OW_ACTION_RAW");
    read_methods(knative->methods, sizeof(knative->methods), methods != NULL ? methods : "");
    return true;
}

/* ---- replies of the handlers of /init and /run ---- */

static void on_run_replied(void *owner, struct request *request, int status, char *body, size_t n)
{
    struct passage *passage = owner;

    assert(request == passage->request);
    assert(status != 0 || body == NULL);
    if (status == 0) { /* http/run.c streams this reply itself */
        passage_free(passage);
        return;
    }
    if (status == 200) {
        shape_reply(request, json_top(body, n));
        free(body);
    } else {
        request_reply(request, status, body, n);
    }
    passage_free(passage);
}

static void begin_run(struct passage *passage)
{
    assert(buf_len(&passage->run) > 0);
    request_set_body(passage->request, buf_at(&passage->run), buf_len(&passage->run));
    request_on_reply(passage->request, on_run_replied, passage);
    run_on_shaping_request(passage->knative->service, passage->request);
}

static void on_run_next(struct loop_post *post)
{
    begin_run(container_of(post, struct passage, run_next));
}

static void on_init_replied(void *owner, struct request *request, int status, char *body, size_t n)
{
    struct passage *passage = owner;

    assert(request == passage->request);
    assert(buf_len(&passage->init) > 0);
    if (status == 200)
        passage->knative->is_raw = passage->is_raw;
    if (status == 200 && buf_len(&passage->run) > 0) {
        free(body);
        loop_post(passage->knative->service->loop, &passage->run_next);
        return;
    }
    request_reply(request, status, body, n);
    passage_free(passage);
}

/* ---- the request: bodies for the handlers and the action ---- */

static void add_member(struct buf *out, const char *name, const char *text, size_t n)
{
    buf_add_text(out, ",\"");
    buf_add_text(out, name);
    buf_add_text(out, "\":");
    json_quote(out, text, n);
}

/* Add a name or a value of a query, percent-decoded, as a JSON string. */
static void add_query_text(struct buf *out, struct span part)
{
    auto_buf struct buf plain = {0};

    for (size_t i = 0; i < part.n; i++) {
        char c = part.text[i] == '+' ? ' ' : part.text[i];

        if (c == '%' && i + 2 < part.n) {
            int high = hex_value((uint8_t)part.text[i + 1]),
                low = hex_value((uint8_t)part.text[i + 2]);

            if (high >= 0 && low >= 0) {
                c = (char)(high * 16 + low);
                i += 2;
            }
        }
        buf_add(&plain, &c, 1);
    }
    json_quote(out, buf_at(&plain), buf_len(&plain));
}

static void add_query(struct buf *out, struct span query)
{
    const char *comma = "";

    buf_add_text(out, ",\"__ow_query\":{");
    while (query.n > 0) {
        struct span value = span_cut(&query, '&');
        struct span name = span_cut(&value, '=');

        if (name.n == 0)
            continue;
        buf_add_text(out, comma);
        add_query_text(out, name);
        buf_add_text(out, ":");
        add_query_text(out, value);
        comma = ",";
    }
    buf_add_text(out, "}");
}

static void add_headers(struct buf *out, const struct request *request)
{
    struct span name, value;
    const char *comma = "";

    buf_add_text(out, ",\"__ow_headers\":{");
    for (size_t i = 0; request_header_at(request, i, &name, &value); i++) {
        buf_add_text(out, comma);
        json_quote(out, name.text, name.n);
        buf_add_text(out, ":");
        json_quote(out, value.text, value.n);
        comma = ",";
    }
    buf_add_text(out, "}");
}

/* Add the body's member "value" as __ow_body: a string as it is, any other JSON value as the base64
 * of its text. */
static void add_raw(struct buf *out, struct json_slice value)
{
    auto_buf struct buf text = {0}, encoded = {0};

    if (value.kind == JSON_STRING) {
        buf_add_text(out, ",\"__ow_body\":");
        buf_add(out, value.text, value.n);
        return;
    }
    json_compact(&text, value);
    base64_encode(&encoded, buf_at(&text), buf_len(&text));
    add_member(out, "__ow_body", buf_at(&encoded), buf_len(&encoded));
}

/* Whether a name, unescaped, begins with "__ow_". */
static bool is_ours(struct json_slice key)
{
    auto_free char *name = xmalloc(key.n);
    size_t n = json_unescape(key, name);

    return n >= 5 && memcmp(name, "__ow_", 5) == 0;
}

/* Add the action's argument: members that describe the request, and the members that the client
 * gave. */
static void add_value(struct buf *out, const struct passage *passage, struct json_slice given)
{
    const struct request *request = passage->request;
    const char *user = getenv("__OW_NAMESPACE");
    struct span method = request_method(request);
    struct json_slice key, value;
    size_t at = 0;

    assert(given.kind != JSON_BAD);
    if (given.kind == JSON_ARRAY && !passage->is_raw) {
        buf_add(out, given.text, given.n); /* no members can be added to an array */
        return;
    }
    user = user != NULL ? user : "";
    buf_add_text(out, "{\"__ow_path\":\"\"");
    add_member(out, "__ow_user", user, strlen(user));
    add_member(out, "__ow_method", method.text, method.n);
    add_headers(out, request);
    if (passage->is_raw) {
        add_raw(out, given);
        add_query(out, request_query(request));
    }
    while (given.kind == JSON_OBJECT && json_next_member(given, &at, &key, &value)) {
        if (!is_ours(key)) /* only the proxy may set members `__ow_...` */
            json_add_member(out, ",", key, value);
    }
    buf_add_text(out, "}");
}

static void make_run(struct passage *passage, struct json_slice activation, struct json_slice value)
{
    static const struct json_slice nothing = {"{}", 2, JSON_OBJECT};
    struct buf *out = &passage->run;
    struct json_slice key, member;
    size_t at = 0;

    buf_add_text(out, "{\"value\":");
    add_value(out, passage, value.kind == JSON_NULL ? nothing : value);
    while (activation.kind == JSON_OBJECT && json_next_member(activation, &at, &key, &member)) {
        if (!json_equals(key, "value"))
            json_add_member(out, ",", key, member);
    }
    buf_add_text(out, "}");
}

/* Read a boolean member into *flag. If there is no such member, *flag is false. 0; -1: the member
 * has another type. */
static int read_flag(struct json_slice init, const char *name, bool *flag)
{
    struct json_slice value;

    *flag = false;
    if (!json_member(init, name, &value) || value.kind == JSON_NULL)
        return 0;
    *flag = value.kind == JSON_TRUE;
    return value.kind == JSON_TRUE || value.kind == JSON_FALSE ? 0 : -1;
}

/* Make the body for http/init.c. false: the request was refused, and is answered. */
static bool make_init(struct passage *passage, struct json_slice init)
{
    struct knative *knative = passage->knative;
    struct request *request = passage->request;
    bool is_raw = false, is_binary = false;

    if (knative->service->is_preloaded || knative->service->gate.closed) {
        request_reply_error(request, 500, INIT_TWICE);
        return false;
    }
    if (init.kind == JSON_OBJECT &&
        (read_flag(init, "binary", &is_binary) < 0 || read_flag(init, "raw", &is_raw) < 0)) {
        request_reply_error(request, 400,
                            "Invalid Init. data; expected boolean for keys 'binary' and 'raw'.");
        return false;
    }
    passage->is_raw = is_raw || is_true("__OW_ACTION_RAW");
    buf_add_text(&passage->init, "{\"value\":");
    buf_add(&passage->init, init.text, init.n);
    buf_add_text(&passage->init, "}");
    return true;
}

/* Make the bodies for http/init.c and http/run.c, as far as the request asks for an init and a run.
 * false: the request was refused, and is answered. */
static bool read_body(struct passage *passage, const char *body, size_t n)
{
    static const struct json_slice none = {"null", 4, JSON_NULL};
    struct json_slice top, init, activation = none, value = none;
    struct json_fault fault;
    char text[256] = "Error unmarshaling request: ";
    size_t n_text = strlen(text);
    bool wants_init;

    if (n == 0) /* a GET has no body */
        body = "{}", n = 2;
    if (json_check(body, n, &fault) == JSON_BAD) {
        json_fault_say(&fault, body, n, text + n_text, sizeof(text) - n_text);
        request_reply_error(passage->request, 400, text);
        return false;
    }
    top = json_top(body, n);
    if (top.kind != JSON_OBJECT) {
        request_reply_error(passage->request, 400,
                            "Error unmarshaling request: the body must be a JSON object");
        return false;
    }
    wants_init = json_member(top, "init", &init);
    (void)json_member(top, "activation", &activation);
    (void)json_member(top, "value", &value);
    if (wants_init && !make_init(passage, init))
        return false;
    /* With an init, "activation" means that the action is to run as well. */
    if (!wants_init || activation.kind != JSON_NULL)
        make_run(passage, activation, value);
    return true;
}

void knative_on_request(void *owner, struct request *request)
{
    struct knative *knative = owner;
    struct passage *passage = xcalloc(1, sizeof(*passage));
    size_t n;
    const char *body = request_body(request, &n);

    passage->knative = knative;
    passage->request = request;
    passage->is_raw = knative->is_raw;
    loop_post_init(&passage->run_next, on_run_next);
    if (!read_body(passage, body, n)) {
        passage_free(passage);
    } else if (buf_len(&passage->init) > 0) {
        request_set_body(request, buf_at(&passage->init), buf_len(&passage->init));
        request_on_reply(request, on_init_replied, passage);
        init_on_request(knative->service, request);
    } else {
        begin_run(passage);
    }
}

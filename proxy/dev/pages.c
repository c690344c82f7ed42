#include "dev/pages.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/util.h"
#include "dev/assets.h"
#include "dev/journal.h"
#include "dev/loader.h"
#include "dev/text.h"
#include "http/init.h"
#include "http/run.h"

#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "                \
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
#define REFUSAL_BYTES       200 /* a longer answer to a failed /init is not shown on the terminal */
#define TOKEN_HERE          "@TOKEN@"
#define ACTIVATIONS_PATH    "/dev/activations/"
#define PAGE_PATH           "/dev/page/" /* the name of a file in proxy/dev/page/ follows */
#define ROUTES_WITHOUT_PAGE 3            /* the first routes need no page: /run, /init, /healthz */

/* ---- who may ask ---- */

/* Whether text[0 .. n) is an IP address, without brackets. loopback_only: accept only an address of
 * the loopback interface. The header Host may be any IP address, since DNS rebinding works only
 * with host names. */
static bool is_number(const char *text, size_t n, bool loopback_only)
{
    char copy[64];
    struct in_addr v4;
    struct in6_addr v6;

    if (n == 0 || n >= sizeof(copy))
        return false;
    memcpy(copy, text, n);
    copy[n] = '\0';
    if (inet_pton(AF_INET, copy, &v4) == 1)
        return !loopback_only || (ntohl(v4.s_addr) >> 24) == 127;
    if (inet_pton(AF_INET6, copy, &v6) == 1)
        return !loopback_only || IN6_IS_ADDR_LOOPBACK(&v6);
    return false;
}

bool pages_is_own_host(const char *listen, unsigned port, const char *text, size_t n)
{
    bool is_local = is_number(listen, strlen(listen), true);
    bool is_bracketed = n > 0 && text[0] == '[';
    const char *end = is_bracketed ? memchr(text, ']', n) : memchr(text, ':', n);
    size_t n_name = end != NULL ? (size_t)(end - text) : n;
    size_t at = is_bracketed && end != NULL ? n_name + 1 : n_name;
    unsigned told = 80;

    if (is_bracketed && end == NULL)
        return false;
    if (at < n) {
        if (text[at] != ':' || n - at < 2 || n - at > 6)
            return false;
        told = 0;
        for (size_t i = at + 1; i < n; i++) {
            if (text[i] < '0' || text[i] > '9')
                return false;
            told = told * 10 + (unsigned)(text[i] - '0');
        }
    }
    if (told != port && port != 0) /* 0: a Unix socket, which has no port */
        return false;
    if (!is_bracketed && n_name == 9 && strncasecmp(text, "localhost", 9) == 0)
        return true;
    return is_bracketed ? is_number(text + 1, n_name - 1, is_local)
                        : is_number(text, n_name, is_local);
}

/* Find the value of the header `wanted`. If there are several such headers, the last one is found,
 * and *several is set. false: there is none. */
static bool find_header(const struct request *request, const char *wanted, struct span *found,
                        bool *several)
{
    struct span name, value;
    bool any = false;

    for (size_t i = 0; request_header_at(request, i, &name, &value); i++) {
        if (name.n != strlen(wanted) || strncasecmp(name.text, wanted, name.n) != 0)
            continue;
        *several = any;
        any = true;
        *found = value;
    }
    return any;
}

static bool is_own_origin(const struct pages *pages, struct span origin)
{
    static const char scheme[] = "http://";
    size_t n = sizeof(scheme) - 1;

    return origin.n > n && strncasecmp(origin.text, scheme, n) == 0 &&
           pages_is_own_host(pages->opts.listen, pages->port, origin.text + n, origin.n - n);
}

/* Whether the request has our token. The comparison always goes through all bytes, so its duration
 * does not tell at which byte a wrong token differs. */
static bool has_token(const struct pages *pages, const struct request *request)
{
    struct span value;
    bool several = false;
    unsigned differs = 0;

    if (!find_header(request, "x-whiskloop-token", &value, &several) || several ||
        value.n != PAGES_TOKEN_BYTES)
        return false;
    for (size_t i = 0; i < PAGES_TOKEN_BYTES; i++)
        differs |= (unsigned)(unsigned char)(value.text[i] ^ pages->token[i]);
    return differs == 0;
}

/* The error text if the request must be refused; NULL: it may pass. */
static const char *judge(const struct pages_guard *guard, const struct request *request)
{
    const struct pages *pages = guard->pages;
    struct span value = {0};
    bool several = false;

    if (!find_header(request, "host", &value, &several) ||
        !pages_is_own_host(pages->opts.listen, pages->port, value.text, value.n))
        return "Host is not this server: open the address that whiskloop dev shows.";
    if (find_header(request, "origin", &value, &several) &&
        (several || !is_own_origin(pages, value)))
        return "Another site's page sent this request (Origin); only the server's own page may.";
    /* The path "/" is exempt, since other sites may link to the page. */
    if (strcmp(guard->route.path, "/") != 0 &&
        find_header(request, "sec-fetch-site", &value, &several) && value.n == 10 &&
        strncasecmp(value.text, "cross-site", 10) == 0)
        return "Another site's page sent this request; only the server's own page may.";
    if (guard->route.methods == NULL && strncmp(guard->route.path, "/dev/", 5) == 0 &&
        !has_token(pages, request))
        return "X-Whiskloop-Token is missing or of an earlier run: load the page anew.";
    return NULL;
}

static void on_guarded(void *owner, struct request *request)
{
    const struct pages_guard *guard = owner;
    const char *why = judge(guard, request);

    request_add_header(request, "cache-control", "no-store");
    request_add_header(request, "x-content-type-options", "nosniff");
    if (why != NULL)
        request_reply_error(request, 403, why);
    else
        guard->route.handler(guard->route.owner, request);
}

/* ---- the page ---- */

static const struct asset *find_asset(const char *name, size_t n)
{
    for (size_t i = 0; i < n_assets; i++)
        if (strlen(assets[i].name) == n && memcmp(assets[i].name, name, n) == 0)
            return &assets[i];
    return NULL;
}

static void reply_buf(struct request *request, const char *type, struct buf *body)
{
    size_t n = buf_len(body);

    request_reply_as(request, 200, type, TAKE(body->bytes), n);
}

static void on_page(void *owner, struct request *request)
{
    const struct pages *pages = owner;
    const struct asset *asset = find_asset("index.html", strlen("index.html"));
    struct buf body = {0};
    const char *at;
    size_t n_before;

    assert(asset != NULL);
    at = memmem(asset->bytes, asset->n, TOKEN_HERE, strlen(TOKEN_HERE));
    n_before = at != NULL ? (size_t)(at - asset->bytes) : asset->n;
    buf_add(&body, asset->bytes, n_before);
    if (at != NULL) {
        buf_add_text(&body, pages->token);
        at += strlen(TOKEN_HERE);
        buf_add(&body, at, asset->n - n_before - strlen(TOKEN_HERE));
    }
    request_add_header(request, "content-security-policy", POLICY);
    request_add_header(request, "referrer-policy", "no-referrer");
    request_add_header(request, "cross-origin-opener-policy", "same-origin");
    reply_buf(request, asset->type, &body);
}

/* Reply with a style sheet or a script of the page. */
static void on_asset(void *owner, struct request *request)
{
    struct span path = request_path(request);
    size_t n = strlen(PAGE_PATH);
    const struct asset *asset;
    struct buf body = {0};

    (void)owner;
    assert(path.n >= n);
    asset = find_asset(path.text + n, path.n - n);
    if (asset == NULL) {
        request_reply_error(request, 404, "The page has no such file.");
        return;
    }
    buf_add(&body, asset->bytes, asset->n);
    reply_buf(request, asset->type, &body);
}

/* ---- what the page asks for ---- */

void pages_write_state(const struct pages *pages, struct buf *out)
{
    const struct loader *loader = pages->loader;
    uint64_t run_ms = pages->service->opts.run_ms;

    buf_add_text(out, "{\"instance\":");
    text_add_json(out, pages->opts.instance);
    buf_add_text(out, ",\"name\":");
    text_add_json(out, loader->target.only != NULL ? loader->target.only : loader->target.name);
    buf_add_text(out, ",\"path\":");
    text_add_json(out, loader->target.path);
    buf_add_text(out, ",\"language\":");
    text_add_json(out, loader->language);
    text_add(out,
             ",\"version\":%u,\"serving\":%u,\"state\":\"%s\",\"load_us\":%" PRIu64
             ",\"since_ms\":%" PRIu64 ",\"error\":",
             loader->version, loader_serving(loader), loader_state_name(loader), loader->took_us,
             loader->since_ms);
    fault_write(&loader->fault, out);
    buf_add_text(out, ",\"examples\":");
    target_write_examples(&loader->target, out);
    text_add(out, ",\"limits\":{\"timeout_ms\":%" PRIu64 "},\"inspect\":",
             run_ms != NO_LIMIT_MS ? run_ms : 0);
    if (loader->inspect_port > 0)
        text_add(out, "%u}", loader->inspect_port);
    else
        buf_add_text(out, "null}");
}

static void on_state(void *owner, struct request *request)
{
    const struct pages *pages = owner;
    struct buf body = {0};

    pages_write_state(pages, &body);
    buf_add_text(&body, "\n");
    reply_buf(request, "application/json", &body);
}

static void on_events(void *owner, struct request *request)
{
    struct pages *pages = owner;
    struct span value = {0};
    auto_buf struct buf state = {0};
    char last_id[24] = "";
    bool several = false;

    if (pages->service->draining) { /* the shutdown would have to wait for this endless reply */
        request_reply_error(request, 503, "whiskloop dev is being shut down.");
        return;
    }
    if (find_header(request, "last-event-id", &value, &several) && value.n < sizeof(last_id))
        memcpy(last_id, value.text, value.n);
    pages_write_state(pages, &state);
    events_subscribe(&pages->journal->events, request, last_id, buf_at(&state), buf_len(&state));
}

static void on_activations(void *owner, struct request *request)
{
    const struct pages *pages = owner;
    struct buf body = {0};
    const char *comma = "";

    buf_add_text(&body, "[");
    list_each(node, &pages->journal->activations.all) {
        buf_add_text(&body, comma);
        activation_write(list_item(node, struct activation, node), &body);
        comma = ",";
    }
    buf_add_text(&body, "]\n");
    reply_buf(request, "application/json", &body);
}

static void on_activation(void *owner, struct request *request)
{
    const struct pages *pages = owner;
    struct span path = request_path(request);
    size_t n = strlen(ACTIVATIONS_PATH);
    const struct activation *a;
    struct buf body = {0};

    assert(path.n >= n);
    a = activations_find(&pages->journal->activations, path.text + n, path.n - n);
    if (a == NULL) {
        request_reply_error(request, 404, "No activation of this id is kept any more.");
        return;
    }
    activation_write_all(a, &body);
    buf_add_text(&body, "\n");
    reply_buf(request, "application/json", &body);
}

/* ---- activations ---- */

/* status 0: the reply is sent to the client in parts, so nothing is sent here. */
static void on_run_replied(void *owner, struct request *request, int status, char *body, size_t n)
{
    struct pages *pages = owner;

    if (status == 0)
        return;
    (void)journal_end_replied(pages->journal, status, body, n);
    request_reply(request, status, body, n);
}

static void on_run(void *owner, struct request *request)
{
    struct pages *pages = owner;

    request_on_reply(request, on_run_replied, pages);
    run_on_request(pages->service, request);
}

/* The log of a failed /init stands beneath no activation's line: say below it what it is of. */
static void tell_refusal(struct pages *pages, int status, const char *body, size_t n)
{
    auto_buf struct buf text = {0};

    while (n > 0 && body[n - 1] == '\n')
        n--;
    text_add(&text, "POST /init failed with status %d", status);
    if (n <= REFUSAL_BYTES)
        text_add(&text, ": %.*s", (int)n, body);
    terminal_say(&pages->journal->terminal, "refused", text_of(&text));
}

static void on_init_replied(void *owner, struct request *request, int status, char *body, size_t n)
{
    struct pages *pages = owner;
    uint64_t came_at_us = request_came_at_us(request);
    /* An /init without code is answered with 200, too, and the version from disk goes on. */
    bool is_published = status == 200 && !pages->service->is_preloaded;

    assert(status != 0); /* no reply to an /init comes in parts */
    if (status != 200)
        tell_refusal(pages, status, body, n);
    request_reply(request, status, body, n);
    if (is_published)
        loader_published(pages->loader, came_at_us);
}

static void on_init(void *owner, struct request *request)
{
    struct pages *pages = owner;

    request_on_reply(request, on_init_replied, pages);
    init_on_request(pages->service, request);
}

/* One request of POST /dev/invoke on its way through http/run.c. */
struct call {
    struct pages *pages; /* borrowed */
    struct buf body;     /* the body for http/run.c */
};

static void call_free(struct call *call)
{
    buf_done(&call->body);
    free(call);
}

static void on_invoke_replied(void *owner, struct request *request, int status, char *body,
                              size_t n)
{
    struct call *call = owner;
    auto_free char *answer = body;
    const struct activation *a;
    struct buf reply = {0};

    if (status == 0) {
        call_free(call);
        return;
    }
    while (n > 0 && answer[n - 1] == '\n')
        n--;
    a = journal_end_replied(call->pages->journal, status, answer, n);
    if (a != NULL)
        text_add(&reply, "{\"id\":\"%s\",\"http\":%d,\"status\":\"%s\",\"duration_us\":%" PRIu64,
                 a->id, status, activation_status_name(a->status), a->duration_us);
    else
        text_add(&reply, "{\"id\":null,\"http\":%d,\"status\":\"error\",\"duration_us\":0", status);
    buf_add_text(&reply, ",\"answer\":");
    if (n > 0 && json_check(answer, n, NULL) != JSON_BAD)
        buf_add(&reply, answer, n);
    else
        buf_add_text(&reply, "null");
    buf_add_text(&reply, "}\n");
    call_free(call);
    reply_buf(request, "application/json", &reply);
}

/* Make the body of a POST /run from that of a POST /dev/invoke. false: text tells what is wrong. */
static bool make_run(struct request *request, struct buf *body, char *text, size_t size)
{
    size_t n, at = 0;
    const char *asked = request_body(request, &n);
    struct json_fault fault;
    struct json_slice top, value, metadata, key;

    assert(buf_len(body) == 0);
    if (json_check(asked, n, &fault) == JSON_BAD) {
        json_fault_say(&fault, asked, n, text, size);
        return false;
    }
    top = json_top(asked, n);
    if (top.kind != JSON_OBJECT || !json_member(top, "value", &value) ||
        (value.kind != JSON_OBJECT && value.kind != JSON_ARRAY)) {
        (void)snprintf(text, size, "want {\"value\":{...}}, the value a JSON object or array");
        return false;
    }
    buf_add_text(body, "{\"value\":");
    buf_add(body, value.text, value.n);
    if (json_member(top, "metadata", &metadata) && metadata.kind == JSON_OBJECT) {
        struct json_slice member;

        while (json_next_member(metadata, &at, &key, &member)) {
            if (!json_equals(key, "value"))
                json_add_member(body, ",", key, member);
        }
    }
    buf_add_text(body, "}");
    return true;
}

static void on_invoke(void *owner, struct request *request)
{
    struct pages *pages = owner;
    struct call *call = xcalloc(1, sizeof(*call));
    char text[256];

    call->pages = pages;

    if (!make_run(request, &call->body, text, sizeof(text))) {
        call_free(call);
        request_reply_error(request, 400, text);
        return;
    }
    request_set_body(request, buf_at(&call->body), buf_len(&call->body));
    request_on_reply(request, on_invoke_replied, call);
    run_on_request(pages->service, request);
}

/* ---- routes ---- */

static void make_token(char *token)
{
    unsigned char bytes[PAGES_TOKEN_BYTES / 2];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        abort(); /* a token that can be guessed protects nothing */
    for (size_t i = 0; i < sizeof(bytes); i++)
        (void)snprintf(token + 2 * i, 3, "%02x", bytes[i]);
}

void pages_init(struct pages *pages, struct service *service, struct journal *journal,
                struct loader *loader, const struct pages_opts *opts)
{
    static const char get[] = "GET, HEAD";
    const uint64_t small = 65536, run = opts->run_max_bytes, init = opts->init_max_bytes;
    const struct server_route routes[PAGES_ROUTES_MAX] = {
        {"/run", on_run, pages, run, .bound = "run-max-bytes"},
        {"/init", on_init, pages, init, .bound = "init-max-bytes"},
        {"/healthz", opts->health, opts->health_owner, small, .methods = get},
        {"/", on_page, pages, small, .methods = get},
        {PAGE_PATH, on_asset, pages, small, .methods = get},
        {"/dev/state", on_state, pages, small, .methods = get},
        {"/dev/events", on_events, pages, small, .methods = "GET"},
        {"/dev/activations", on_activations, pages, small, .methods = get},
        {ACTIVATIONS_PATH, on_activation, pages, small, .methods = get},
        {"/dev/invoke", on_invoke, pages, run, .bound = "run-max-bytes"},
    };

    *pages = (struct pages){.service = service,
                            .journal = journal,
                            .loader = loader,
                            .opts = *opts,
                            .n_routes = opts->has_page ? PAGES_ROUTES_MAX : ROUTES_WITHOUT_PAGE};
    make_token(pages->token);
    for (size_t i = 0; i < pages->n_routes; i++) {
        pages->guards[i] = (struct pages_guard){pages, routes[i]};
        pages->routes[i] = routes[i];
        pages->routes[i].handler = on_guarded;
        pages->routes[i].owner = &pages->guards[i];
    }
}

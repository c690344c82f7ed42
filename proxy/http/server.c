/*
 * What libh2o 2.2.5 does by itself and must not: path matches are prefix matches, large bodies go
 * to a file in /tmp, HTTP/2 is on, and an answer that comes later costs two epoll_ctl, because the
 * client's descriptor is dropped from the set while its request is in flight. The last is mended
 * by a reader of our own on the socket, which also hears of clients that leave.
 * Source: library-facts A3, B.
 */

#include "http/server.h"

#include <assert.h>
#include <errno.h>
#include <h2o.h>
#include <h2o/http1.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"

#define ACCEPTS_PER_TURN 16
#define LAZY_MAX_BYTES   4096 /* an answer up to this may stay in memory until the next request */
#define ACCEPT_PAUSE_MS  100  /* after accept fails for want of descriptors */
#define SERVER_MAGIC     0x77686b31u
#define REQUEST_MAGIC    0x77686b32u

struct server_handler {
    h2o_handler_t super;
    struct server *server;
};

struct server_filter {
    h2o_filter_t super;
    struct server *server;
};

struct server {
    unsigned magic;
    struct loop *loop; /* borrowed */
    const struct server_route *routes;
    size_t n_routes;
    struct place place;
    const char *lost;
    unsigned n_open;
    h2o_globalconf_t config;
    h2o_context_t ctx;
    h2o_accept_ctx_t accept_ctx;
    h2o_socket_t *listener; /* NULL once draining */
    struct loop_timer accept_again;
    bool is_ending; /* see server_wind_down() */
    bool is_short;  /* of descriptors, which was told; until nobody waits any more */
};

struct request {
    unsigned magic;
    struct server *server;
    h2o_req_t *req;
    h2o_socket_t *sock; /* the client's; libh2o's own */
    char *body;         /* of the reply; owned */
    h2o_generator_t generator;
    uint64_t came_at_us;            /* loop time */
    struct request_text other_body; /* what request_body() tells instead; text NULL: none */
    const char *type;               /* of the reply; NULL: application/json */
    request_replied_fn *replied;    /* who takes the reply; NULL: the client */
    void *replied_owner;
};

/* ---- replies ---- */

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {413, "Payload Too Large"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
};

static const char *reason_of(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}

uint64_t request_came_at_us(const struct request *request)
{
    return request->came_at_us;
}

const char *request_body(const struct request *request, size_t *n)
{
    if (request->other_body.text != NULL) {
        *n = request->other_body.n;
        return request->other_body.text;
    }
    *n = request->req->entity.len;
    return request->req->entity.base;
}

/* Blanks at the end of a value do not belong to it; those before it are gone already. */
static struct request_text trimmed(h2o_iovec_t value)
{
    while (value.len > 0 && (value.base[value.len - 1] == ' ' || value.base[value.len - 1] == '\t'))
        value.len--;
    return (struct request_text){value.base, value.len};
}

bool request_headers(const struct request *request, const struct header_name *names, size_t n_names,
                     struct request_text *values)
{
    const h2o_headers_t *headers = &request->req->headers;
    uint64_t found = 0;

    assert(n_names < 64);
    for (size_t i = 0; i < headers->size; i++) {
        h2o_iovec_t *name = headers->entries[i].name; /* lower case by now */

        if (h2o_iovec_is_token(name)) /* one that libh2o knows by its address, as most are */
            continue;
        for (size_t k = 0; k < n_names; k++) {
            if (name->len != names[k].n || memcmp(name->base, names[k].text, names[k].n) != 0)
                continue;
            if (found == 0)
                memset(values, 0, n_names * sizeof(*values));
            if ((found >> k & 1) == 0)
                values[k] = trimmed(headers->entries[i].value);
            else
                values[k].text = NULL;
            found |= UINT64_C(1) << k;
        }
    }
    return found != 0;
}

void request_send_back(struct request *request, const struct header_name *name,
                       const struct request_text *value)
{
    /* Header and value live as long as the request: libh2o keeps both without a copy. */
    h2o_add_header_by_str(&request->req->pool, &request->req->res.headers, name->text, name->n, 0,
                          NULL, value->text, value->n);
}

void request_set_body(struct request *request, const char *body, size_t n)
{
    request->other_body = (struct request_text){body, n};
}

struct request_text request_method(const struct request *request)
{
    return (struct request_text){request->req->method.base, request->req->method.len};
}

struct request_text request_query(const struct request *request)
{
    const h2o_req_t *req = request->req;
    size_t at = req->query_at == SIZE_MAX ? req->path.len : req->query_at + 1;

    return (struct request_text){req->path.base + at, req->path.len - at};
}

bool request_header_at(const struct request *request, size_t i, struct request_text *name,
                       struct request_text *value)
{
    const h2o_headers_t *headers = &request->req->headers;

    if (i-- == 0) { /* libh2o has taken it out */
        *name = (struct request_text){"host", 4};
        *value = (struct request_text){request->req->input.authority.base,
                                       request->req->input.authority.len};
        return true;
    }
    if (i >= headers->size)
        return false;
    *name = (struct request_text){headers->entries[i].name->base, headers->entries[i].name->len};
    *value = trimmed(headers->entries[i].value);
    return true;
}

void request_on_reply(struct request *request, request_replied_fn *replied, void *owner)
{
    request->replied = replied;
    request->replied_owner = owner;
}

void request_add_header_copy(struct request *request, const char *name, size_t n_name,
                             const char *value, size_t n_value)
{
    h2o_req_t *req = request->req;
    h2o_iovec_t kept_name = h2o_strdup(&req->pool, name, n_name);
    h2o_iovec_t kept_value = h2o_strdup(&req->pool, value, n_value);

    (void)h2o_strtolower(kept_name.base, kept_name.len);
    h2o_add_header_by_str(&req->pool, &req->res.headers, kept_name.base, kept_name.len, 1, NULL,
                          kept_value.base, kept_value.len);
}

void request_set_type(struct request *request, const char *type, size_t n)
{
    request->type = h2o_strdup(&request->req->pool, type, n).base; /* ends with a NUL */
}

void request_add_header(struct request *request, const char *name, const char *value)
{
    h2o_add_header_by_str(&request->req->pool, &request->req->res.headers, name, strlen(name), 0,
                          NULL, value, strlen(value));
}

/* Whether the client has sent more behind its request, or has left. */
static bool has_said_more(const struct request *request)
{
    const h2o_req_t *req = request->req;
    const h2o_buffer_t *input = request->sock->input;

    return !h2o_socket_is_reading(request->sock) || req->entity.base == NULL ||
           req->entity.base + req->entity.len != input->bytes + input->size;
}

/*
 * libh2o winds a request up in the turn after its reply, but is not woken for that. Mostly there is
 * no hurry: the client's next request comes and brings that turn. Not so when it has come already,
 * when the client has left or is to be let go, and when much memory hangs on it.
 */
static bool is_urgent(const struct request *request, size_t n_body)
{
    return n_body > LAZY_MAX_BYTES || !request->req->http1_is_persistent || has_said_more(request);
}

/* No bytes may follow the head of such an answer: a client would take them for the next one. The
 * length of one to HEAD is told all the same. */
static bool is_bare(const h2o_req_t *req)
{
    return h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD")) ||
           req->res.status == 204 || req->res.status == 304;
}

void request_reply_as(struct request *request, int status, const char *type, char *body, size_t n)
{
    h2o_req_t *req = request->req;
    h2o_iovec_t bytes = {body, n};

    assert(request->magic == REQUEST_MAGIC);
    assert(request->body == NULL);
    if (request->replied != NULL) {
        request_replied_fn *replied = request->replied;

        request->replied = NULL;
        replied(request->replied_owner, request, status, body, n);
        return;
    }
    request->body = body;
    req->res.status = status;
    req->res.reason = reason_of(status);
    req->res.content_length = status == 204 ? SIZE_MAX : n; /* 204 must state none */
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, type, strlen(type));
    if (request->server->is_ending && !has_said_more(request))
        req->http1_is_persistent = 0;
    if (is_urgent(request, n))
        loop_hurry(request->server->loop);
    /* What comes now is the next request: into the buffer. */
    h2o_socket_dont_read(request->sock, 0);
    h2o_start_response(req, &request->generator);
    h2o_send(req, &bytes, is_bare(req) ? 0 : 1, H2O_SEND_STATE_FINAL);
}

void request_reply(struct request *request, int status, char *body, size_t n)
{
    request_reply_as(request, status, request->type != NULL ? request->type : "application/json",
                     body, n);
}

void request_reply_error(struct request *request, int status, const char *text)
{
    struct buf body = {0};
    size_t n;

    if (status == 503) /* shutting down: the next container is there in a moment */
        request_add_header(request, "retry-after", "1");
    json_add_error(&body, text);
    buf_add_text(&body, "\n");
    n = buf_len(&body);
    request_reply(request, status, body.bytes, n);
}

void request_reply_ok(struct request *request)
{
    static const char text[] = "{\"ok\":true}\n";

    request_reply(request, 200, xstrdup(text), sizeof(text) - 1);
}

/* 429, not 503: that would tell the platform to destroy this container. */
void request_reply_full(struct request *request, const char *text)
{
    request_add_header(request, "retry-after", "1");
    request_reply_error(request, 429, text);
}

/* ---- requests ---- */

static void on_request_disposed(void *arg)
{
    struct request *request = arg;

    assert(request->magic == REQUEST_MAGIC);
    /*
     * libh2o disposes of a request right before it turns to the next one: only here does it get its
     * socket back, as it left it. Earlier, at the reply, the descriptor would leave epoll's set for
     * the turn that the reply takes, two system calls for each request. That it may be read from
     * was said at the reply, which every request has had.
     */
    h2o_socket_read_stop(request->sock);
    request->server->n_open--;
    free(request->body);
    request->magic = 0;
}

/* The client said more, or left: neither changes what was begun. Not looked at until the reply. */
static void on_client_event(h2o_socket_t *sock, const char *error)
{
    (void)error;
    h2o_socket_read_stop(sock);
}

static void watch_client(struct request *request)
{
    h2o_conn_t *conn = request->req->conn;

    request->sock = conn->callbacks->get_socket(conn);
    h2o_socket_dont_read(request->sock, 1);
    h2o_socket_read_start(request->sock, on_client_event);
}

static const struct server_route *find_route(const struct server *server, h2o_iovec_t path)
{
    for (size_t i = 0; i < server->n_routes; i++)
        if (h2o_memis(path.base, path.len, server->routes[i].path, strlen(server->routes[i].path)))
            return &server->routes[i];
    return NULL;
}

static void say_too_large(const struct server_route *route, char *text, size_t size)
{
    if (route->n_too_large != NULL)
        ++*route->n_too_large;
    (void)snprintf(text, size, "The request body is larger than %llu bytes%s%s%s.",
                   (unsigned long long)route->body_max_bytes, route->bound != NULL ? " (--" : "",
                   route->bound != NULL ? route->bound : "", route->bound != NULL ? ")" : "");
}

/* Whether the list "GET, POST" holds the method. */
static bool takes_method(const char *methods, h2o_iovec_t method)
{
    while (*methods != '\0') {
        size_t n = strcspn(methods, ",");

        if (h2o_memis(methods, n, method.base, method.len))
            return true;
        methods += n;
        methods += strspn(methods, ", ");
    }
    return false;
}

static void dispatch(struct server *server, struct request *request)
{
    const struct server_route *route = find_route(server, request->req->path_normalized);
    const char *methods = route != NULL && route->methods != NULL ? route->methods : "POST";
    char text[128];

    if (route == NULL) {
        request_reply_error(request, 404, server->lost);
    } else if (!takes_method(methods, request->req->method)) {
        request_add_header(request, "allow", methods);
        (void)snprintf(text, sizeof(text), "This path takes %s only.", methods);
        request_reply_error(request, 405, text);
    } else if (request->req->entity.len > route->body_max_bytes) {
        say_too_large(route, text, sizeof(text));
        request_reply_error(request, 413, text);
    } else {
        route->handler(route->owner, request);
    }
}

static int on_req(h2o_handler_t *handler, h2o_req_t *req)
{
    struct server *server = ((struct server_handler *)(void *)handler)->server;
    struct request *request;

    assert(server->magic == SERVER_MAGIC);
    request = h2o_mem_alloc_shared(&req->pool, sizeof(*request), on_request_disposed);
    memset(request, 0, sizeof(*request));
    request->magic = REQUEST_MAGIC;
    request->server = server;
    request->req = req;
    request->came_at_us = loop_now_us(server->loop);
    server->n_open++;
    watch_client(request);
    dispatch(server, request);
    return 0;
}

/* ---- what libh2o refuses before a handler sees it: the same JSON form ---- */

struct error_stream {
    h2o_ostream_t super;
    h2o_iovec_t body;
};

static void send_error_body(h2o_ostream_t *self, h2o_req_t *req, h2o_iovec_t *bufs, size_t n_bufs,
                            h2o_send_state_t state)
{
    struct error_stream *stream = (struct error_stream *)(void *)self;

    (void)bufs;
    (void)n_bufs;
    h2o_ostream_send_next(&stream->super, req, &stream->body, 1, state);
}

static void on_setup_error(h2o_filter_t *self, h2o_req_t *req, h2o_ostream_t **slot)
{
    const struct server *server = ((struct server_filter *)(void *)self)->server;
    const struct server_route *route = find_route(server, req->input.path);
    struct error_stream *stream;
    char text[128] = "The request is not valid HTTP.";

    assert(server->magic == SERVER_MAGIC);
    if (req->res.status < 400) {
        h2o_setup_next_ostream(req, slot);
        return;
    }
    if (req->res.status == 413)
        say_too_large(route != NULL ? route : &server->routes[0], text, sizeof(text));
    stream = (struct error_stream *)(void *)h2o_add_ostream(req, sizeof(*stream), slot);
    stream->super.do_send = send_error_body;
    stream->body =
        h2o_concat(&req->pool, h2o_iovec_init(H2O_STRLIT("{\"error\":\"")),
                   h2o_iovec_init(text, strlen(text)), h2o_iovec_init(H2O_STRLIT("\"}\n")));
    req->res.content_length = stream->body.len;
    h2o_set_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE,
                   H2O_STRLIT("application/json"), 1);
    h2o_setup_next_ostream(req, &stream->super.next);
}

/* ---- connections ---- */

static void on_accept(h2o_socket_t *listener, const char *error)
{
    struct server *server = listener->data;

    assert(server->magic == SERVER_MAGIC);
    if (error != NULL)
        return;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        h2o_socket_t *sock = h2o_evloop_socket_accept(listener);

        if (sock != NULL) {
            h2o_accept(&server->accept_ctx, sock);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            if (!server->is_short)
                log_warn("http.accept", log_text("failed", strerror(errno)),
                         log_int("tried_again_every_ms", ACCEPT_PAUSE_MS));
            server->is_short = true;
            /* The listener stays readable: without a pause this would spin. */
            h2o_socket_read_stop(listener);
            loop_timer_set(server->loop, &server->accept_again,
                           loop_now_ms(server->loop) + ACCEPT_PAUSE_MS);
        } else {
            server->is_short = false;
        }
        return;
    }
}

static void on_accept_again(struct loop_timer *timer)
{
    struct server *server = container_of(timer, struct server, accept_again);

    if (server->listener != NULL)
        h2o_socket_read_start(server->listener, on_accept);
}

static void configure(struct server *server, const struct server_opts *opts)
{
    h2o_hostconf_t *host;
    h2o_pathconf_t *path;
    h2o_handler_t *handler;
    h2o_filter_t *filter;

    h2o_config_init(&server->config);
    server->config.server_name = h2o_iovec_init(NULL, 0);
    server->config.max_request_entity_size = 0;
    for (size_t i = 0; i < server->n_routes; i++)
        if (server->config.max_request_entity_size < server->routes[i].body_max_bytes)
            server->config.max_request_entity_size = server->routes[i].body_max_bytes;
    server->config.max_request_entity_size++; /* a chunked body of exactly the limit is refused */
    server->config.http1.req_timeout = opts->idle_ms;
    server->config.http1.upgrade_to_http2 = 0;
    h2o_socket_buffer_mmap_settings.threshold = SIZE_MAX; /* bodies stay in memory */
    host = h2o_config_register_host(&server->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    path = h2o_config_register_path(host, "/", 0);
    handler = h2o_create_handler(path, sizeof(struct server_handler));
    handler->on_req = on_req;
    ((struct server_handler *)(void *)handler)->server = server;
    filter = h2o_create_filter(&host->fallback_path, sizeof(struct server_filter));
    filter->on_setup_ostream = on_setup_error;
    ((struct server_filter *)(void *)filter)->server = server;
    h2o_context_init(&server->ctx, loop_h2o(server->loop), &server->config);
    server->accept_ctx.ctx = &server->ctx;
    server->accept_ctx.hosts = server->config.hosts;
}

struct server *server_new(struct loop *loop, const struct server_opts *opts,
                          const struct server_route *routes, size_t n_routes, struct err *err)
{
    struct server *server;
    struct place place = *opts->place;
    int fd = place_listen(&place, opts->options, err);

    if (fd < 0)
        return NULL;
    server = xcalloc(1, sizeof(*server));
    server->magic = SERVER_MAGIC;
    server->loop = loop;
    server->routes = routes;
    server->n_routes = n_routes;
    server->place = place;
    server->lost = opts->lost;
    loop_timer_init(&server->accept_again, on_accept_again);
    configure(server, opts);
    server->listener = h2o_evloop_socket_create(loop_h2o(loop), fd, H2O_SOCKET_FLAG_DONT_READ);
    server->listener->data = server;
    h2o_socket_read_start(server->listener, on_accept);
    return server;
}

uint16_t server_port(const struct server *server)
{
    return server->place.port;
}

unsigned server_n_open(const struct server *server)
{
    return server->n_open;
}

void server_wind_down(struct server *server)
{
    server->is_ending = true;
}

void server_drain(struct server *server)
{
    if (server->listener == NULL)
        return;
    place_leave(&server->place);
    h2o_socket_close(server->listener);
    server->listener = NULL;
    loop_timer_clear(&server->accept_again);
    /* Not h2o_context_request_shutdown(): it also winds up HTTP/2 and leaves timers behind that
     * h2o_context_dispose() trips over. This is what HTTP/1 looks at. */
    server->ctx.shutdown_requested = 1;
}

bool server_free(struct server **server)
{
    bool closed;

    if (*server == NULL)
        return true;
    server_drain(*server);
    /* Connections that clients keep open hold on to the context and to timers of the loop. The
     * process ends next, which closes them; libh2o has no other way to. */
    closed = (*server)->n_open == 0 && h2o_linklist_is_empty(&(*server)->ctx.http1._conns);
    if (closed) {
        h2o_context_dispose(&(*server)->ctx);
        h2o_config_dispose(&(*server)->config);
        free(*server);
    }
    *server = NULL;
    return closed;
}

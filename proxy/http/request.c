/*
 * libh2o takes the client's descriptor out of the epoll set while a request is being handled. That
 * costs two calls of epoll_ctl() for each request. So we keep a read callback of our own on the
 * socket, which also notices clients that leave. Source: the maintainers' notes library-facts,
 * sections A3 and B.
 */

#include "http/request.h"

#include <assert.h>
#include <h2o.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/util.h"
#include "http/connection.h"
#include "worker/parts.h"

/* A reply up to this size is not counted as held memory. */
#define UNCOUNTED_MAX_BYTES 4096
#define PIECE_BYTES         (1u << 18) /* bytes of a large reply that libh2o gets at a time */
#define STREAM_HELD_BYTES                                                                          \
    (2 * PARTS_HELD_MAX) /* held for a streamed reply: one piece is being sent, one prepared */
#define NO_ROOM                                                                                    \
    "The answer is dropped: other clients' bodies and answers fill the memory (--held-max-bytes)."
#define REQUEST_MAGIC 0x77686b32u

struct request {
    unsigned magic;
    h2o_req_t *req;
    struct connection *connection; /* valid as long as `req` */
    char *body;                    /* owned; body of the reply, or its piece that is being sent */
    size_t n_body;
    size_t n_sent; /* bytes of the reply given to libh2o */
    h2o_generator_t generator;
    uint64_t came_at_us;    /* loop time, as in loop_now_us(), at which the request was complete */
    struct span other_body; /* borrowed; handlers get it instead of the received one; NULL: unset */
    const struct request_watcher *watcher; /* borrowed; NULL: none */
    void *watcher_owner;
    bool streams;      /* the handler sends the reply in pieces */
    bool makes_chunks; /* we frame the pieces as chunks: libh2o does so for status 200 only */
    char chunk_head[24];
    bool is_sending;             /* libh2o is still writing a piece of the reply */
    const char *type;            /* content type of the reply; NULL: application/json */
    request_replied_fn *replied; /* called with the reply instead of sending it; NULL: send it */
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
    assert(request->magic == REQUEST_MAGIC);
    if (request->other_body.text != NULL) {
        *n = request->other_body.n;
        return request->other_body.text;
    }
    *n = request->req->entity.len;
    return request->req->entity.base;
}

/* Returns a header's value without blanks at its end, which libh2o leaves there. */
static struct span trimmed(h2o_iovec_t value)
{
    return span_trimmed((struct span){value.base, value.len});
}

bool request_headers(const struct request *request, const struct span *names, size_t n_names,
                     struct span *values)
{
    const h2o_headers_t *headers = &request->req->headers;
    uint64_t found = 0;

    assert(n_names < 64);
    for (size_t i = 0; i < headers->size; i++) {
        h2o_iovec_t *name = headers->entries[i].name; /* libh2o has made the name lower case */

        if (h2o_iovec_is_token(name)) /* libh2o knows this common header: it is none of `names` */
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

void request_set_body(struct request *request, const char *body, size_t n)
{
    assert(body != NULL); /* NULL stands for "not set" */
    request->other_body = (struct span){body, n};
}

struct span request_method(const struct request *request)
{
    return (struct span){request->req->method.base, request->req->method.len};
}

struct span request_path(const struct request *request)
{
    const h2o_req_t *req = request->req;

    return (struct span){req->path.base, req->query_at == SIZE_MAX ? req->path.len : req->query_at};
}

struct span request_query(const struct request *request)
{
    const h2o_req_t *req = request->req;
    size_t at = req->query_at == SIZE_MAX ? req->path.len : req->query_at + 1;

    assert(at <= req->path.len);
    return (struct span){req->path.base + at, req->path.len - at};
}

bool request_header_at(const struct request *request, size_t i, struct span *name,
                       struct span *value)
{
    const h2o_headers_t *headers = &request->req->headers;
    h2o_iovec_t host = request->req->input.authority; /* libh2o keeps Host out of `headers` */

    /* If the request has no Host, as HTTP/1.0 allows, libh2o puts its own configured name into
     * input.authority: skip it. */
    if (host.base == request->req->conn->hosts[0]->authority.hostport.base)
        i++;
    if (i-- == 0) {
        *name = (struct span)SPAN("host");
        *value = (struct span){host.base, host.len};
        return true;
    }
    if (i >= headers->size)
        return false;
    *name = (struct span){headers->entries[i].name->base, headers->entries[i].name->len};
    *value = trimmed(headers->entries[i].value);
    return true;
}

void request_on_reply(struct request *request, request_replied_fn *replied, void *owner)
{
    assert(request->replied == NULL);
    request->replied = replied;
    request->replied_owner = owner;
}

void request_add_header_copy(struct request *request, struct span name, struct span value)
{
    h2o_req_t *req = request->req;
    h2o_iovec_t kept_name = h2o_strdup(&req->pool, name.text, name.n);
    h2o_iovec_t kept_value = h2o_strdup(&req->pool, value.text, value.n);

    (void)h2o_strtolower(kept_name.base, kept_name.len);
    h2o_add_header_by_str(&req->pool, &req->res.headers, kept_name.base, kept_name.len, 1, NULL,
                          kept_value.base, kept_value.len);
}

void request_set_type(struct request *request, const char *type, size_t n)
{
    request->type = h2o_strdup(&request->req->pool, type, n).base; /* h2o_strdup() adds a NUL */
}

void request_add_header(struct request *request, const char *name, const char *value)
{
    h2o_add_header_by_str(&request->req->pool, &request->req->res.headers, name, strlen(name), 0,
                          NULL, value, strlen(value));
}

/* Whether the reply must have no body: the client would take it for the start of the next reply. A
 * reply to HEAD still states the body's length. */
static bool is_bare(const h2o_req_t *req)
{
    return h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD")) ||
           req->res.status == 204 || req->res.status == 304;
}

/* Send the next piece of a large reply. Call this only when libh2o is sending none. */
static void send_piece(struct request *request)
{
    size_t n_left = request->n_body - request->n_sent;
    size_t n = n_left < PIECE_BYTES ? n_left : PIECE_BYTES;
    h2o_iovec_t bytes = {request->body + request->n_sent, n};

    assert(n > 0);
    request->n_sent += n;
    h2o_send(request->req, &bytes, 1,
             n == n_left ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

/* Break off a streamed reply, so that the client sees that the reply is incomplete. The request is
 * gone after this call. */
static void end_stream(struct request *request)
{
    assert(request->streams);
    assert(!request->is_sending);
    request->is_sending = true; /* stays set: no further piece may be sent */
    h2o_send(request->req, NULL, 0, H2O_SEND_STATE_ERROR);
}

static void on_piece_sent(struct request *request)
{
    assert(request->is_sending);
    request->is_sending = false;
    connection_waiting(request->connection);
    if (request->watcher != NULL)
        request->watcher->room(request->watcher_owner);
    else
        end_stream(request); /* the client has left, or request_break() was called */
}

static void on_proceed(h2o_generator_t *generator, h2o_req_t *req)
{
    struct request *request = container_of(generator, struct request, generator);

    (void)req;
    if (request->streams) {
        on_piece_sent(request);
        return;
    }
    connection_progress(request->connection, PIECE_BYTES);
    send_piece(request);
}

/* Make room in memory for a reply of n bytes. false: there is none. */
static bool has_room(const struct request *request, size_t n)
{
    struct connection *connection = request->connection;

    return n <= UNCOUNTED_MAX_BYTES || connections_make_room(connection->all, n, connection);
}

void request_reply_as(struct request *request, int status, const char *type, char *body, size_t n)
{
    h2o_req_t *req = request->req;
    h2o_iovec_t bytes = {body, n};

    assert(request->magic == REQUEST_MAGIC);
    assert(request->body == NULL && !request->streams);
    request->watcher = NULL;
    connection_on_left(request->connection, NULL, NULL);
    if (request->replied != NULL) {
        request_replied_fn *replied = request->replied;

        request->replied = NULL;
        replied(request->replied_owner, request, status, body, n);
        return;
    }
    if (!has_room(request, n)) {
        free(body);
        request_reply_error(request, 502, NO_ROOM);
        return;
    }
    request->body = body;
    request->n_body = n;
    req->res.status = status;
    req->res.reason = reason_of(status);
    req->res.content_length = status == 204 ? SIZE_MAX : n; /* a 204 must state no length */
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, type, strlen(type));
    if (request->connection->ends ||
        (request->connection->all->is_ending && !connection_has_more(request->connection)))
        req->http1_is_persistent = 0;
    connection_replying(request->connection, n > UNCOUNTED_MAX_BYTES ? n : 0);
    h2o_start_response(req, &request->generator);
    if (n > PIECE_BYTES && !is_bare(req))
        send_piece(request);
    else
        h2o_send(req, &bytes, is_bare(req) ? 0 : 1, H2O_SEND_STATE_FINAL);
}

/* Called by libh2o when it cannot write the reply any more and disposes of the request. */
static void on_stop(h2o_generator_t *generator, h2o_req_t *req)
{
    struct request *request = container_of(generator, struct request, generator);
    const struct request_watcher *watcher = request->watcher;

    (void)req;
    assert(request->streams); /* only request_stream() sets this callback */
    request->watcher = NULL;
    if (watcher != NULL)
        watcher->gone(request->watcher_owner);
}

static void on_left(void *owner)
{
    struct request *request = owner;
    const struct request_watcher *watcher = request->watcher;

    assert(request->streams || watcher != NULL);
    if (!request->streams) {
        watcher->left(request->watcher_owner);
        return;
    }
    connection_cut(request->connection);
    request->watcher = NULL;
    if (watcher != NULL)
        watcher->gone(request->watcher_owner);
    if (!request->is_sending) /* else on_piece_sent() will end the reply */
        end_stream(request);
}

void request_watch(struct request *request, const struct request_watcher *watcher, void *owner)
{
    assert(request->magic == REQUEST_MAGIC);
    assert(request->watcher == NULL);
    request->watcher = watcher;
    request->watcher_owner = owner;
    connection_on_left(request->connection, on_left, request);
}

bool request_stream(struct request *request, int status, const char *type)
{
    h2o_req_t *req = request->req;

    assert(request->magic == REQUEST_MAGIC && !request->streams && request->body == NULL);
    if (!connections_make_room(request->connection->all, STREAM_HELD_BYTES, NULL)) {
        request->watcher = NULL;
        request_reply_error(request, 502, NO_ROOM);
        return false;
    }
    if (request->replied != NULL) {
        request->replied(request->replied_owner, request, 0, NULL, 0);
        request->replied = NULL;
    }
    request->streams = true;
    req->res.status = status;
    req->res.reason = reason_of(status);
    req->res.content_length = SIZE_MAX;
    if (status != 200 && req->version >= 0x101) {
        request->makes_chunks = true;
        request_add_header(request, "transfer-encoding", "chunked");
    }
    type = type != NULL ? type : request->type;
    assert(type != NULL);
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, type, strlen(type));
    /* HTTP/1.0 has no chunks: the end of the connection is the end of the reply. */
    if (request->connection->ends || request->connection->all->is_ending || req->version < 0x101)
        req->http1_is_persistent = 0;
    request->generator.stop = on_stop;
    connection_replying(request->connection, STREAM_HELD_BYTES);
    connection_waiting(request->connection); /* the client gets nothing before request_send() */
    h2o_start_response(req, &request->generator);
    return true;
}

void request_send(struct request *request, struct buf *bytes, bool is_last)
{
    h2o_iovec_t pieces[4];
    size_t n = 0;

    assert(request->magic == REQUEST_MAGIC && request->streams && !request->is_sending);
    /* libh2o takes an empty piece for the end of the reply, if the head is sent: it would never ask
     * for more, and the watcher's room() would not be called. */
    assert(is_last || buf_len(bytes) > 0);
    free(request->body);
    request->body = bytes->bytes;
    request->n_body = buf_len(bytes);
    if (request->makes_chunks && request->n_body > 0) {
        (void)snprintf(request->chunk_head, sizeof(request->chunk_head), "%zx\r\n",
                       request->n_body);
        pieces[n++] = h2o_iovec_init(request->chunk_head, strlen(request->chunk_head));
    }
    if (request->n_body > 0)
        pieces[n++] = h2o_iovec_init(bytes->bytes + bytes->start, request->n_body);
    if (request->makes_chunks && request->n_body > 0)
        pieces[n++] = h2o_iovec_init(H2O_STRLIT("\r\n"));
    if (request->makes_chunks && is_last)
        pieces[n++] = h2o_iovec_init(H2O_STRLIT("0\r\n\r\n"));
    memset(bytes, 0, sizeof(*bytes));
    request->is_sending = true;
    if (is_last)
        request->watcher = NULL;
    connection_sending(request->connection);
    /* Nothing may follow this call: if there is nothing to write, libh2o disposes of the request
     * before the call returns. */
    h2o_send(request->req, pieces, n, is_last ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

void request_break(struct request *request, struct buf *bytes)
{
    assert(request->streams);
    assert(!request->is_sending);
    request->watcher = NULL; /* so on_piece_sent() ends the reply after this piece */
    if (buf_len(bytes) > 0)
        request_send(request, bytes, false);
    else
        end_stream(request);
}

struct span request_accept(const struct request *request, ssize_t *at)
{
    const h2o_headers_t *headers = &request->req->headers;

    *at = h2o_find_header(headers, H2O_TOKEN_ACCEPT, *at);
    return *at >= 0 ? trimmed(headers->entries[*at].value) : (struct span){NULL, 0};
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

    if (status == 503) /* we are shutting down: another container will soon take the request */
        request_add_header(request, "retry-after", "1");
    json_add_error(&body, text);
    buf_add_text(&body, "\n");
    n = buf_len(&body);
    request_reply(request, status, body.bytes, n);
}

void request_reply_ok(struct request *request, const char *text)
{
    char *body = xasprintf("%s\n", text != NULL ? text : "{\"ok\":true}");

    request_reply(request, 200, body, strlen(body));
}

/* The status is 429, since a 503 would tell the platform to destroy this container. */
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
     * libh2o disposes of a request right before it turns to the next one, and expects that nobody
     * reads the socket then. If we stopped reading earlier, the descriptor would leave the epoll
     * set for one turn of the loop, which costs two system calls for each request.
     */
    h2o_socket_read_stop(request->connection->sock);
    assert(request->connection->all->n_requests > 0);
    request->connection->all->n_requests--;
    connection_done(request->connection);
    free(request->body);
    request->magic = 0;
}

struct request *request_new(h2o_req_t *req)
{
    struct request *request =
        h2o_mem_alloc_shared(&req->pool, sizeof(*request), on_request_disposed);

    memset(request, 0, sizeof(*request));
    request->magic = REQUEST_MAGIC;
    request->req = req;
    request->connection = req->conn->callbacks->get_socket(req->conn)->on_close.data;
    request->generator.proceed = on_proceed;
    request->came_at_us = loop_now_us(request->connection->all->loop);
    request->connection->all->n_requests++;
    connection_busy(request->connection);
    return request;
}

struct connection *request_connection(const struct request *request)
{
    return request->connection;
}

void request_take_body(struct request *request, struct body *body)
{
    memset(body, 0, sizeof(*body));
    if (request->other_body.text == NULL && request->body == NULL)
        connection_take_body(request->connection, body);
}

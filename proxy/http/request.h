#pragma once

/*
 * request - one request with its body. Valid from its handler's call until its reply, even if its
 * client has left. Replies always carry Content-Length.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct body;
struct connection;
struct request;
struct st_h2o_req_t;

typedef void server_handler_fn(void *owner, struct request *request);

/* What all requests of one listener share. */
struct requests {
    struct loop *loop;
    unsigned n_open;
    bool is_ending; /* close the connection after the reply, unless the client has sent more */
};

/* For http/server.c: a request that libh2o's handler was called for. */
struct request *request_new(struct requests *all, struct st_h2o_req_t *req);
/* Its connection. */
struct connection *request_connection(const struct request *request);

/* ---- inside a handler and later ---- */

/* Loop time at which the whole request had come. */
uint64_t request_came_at_us(const struct request *request);

/* The body, stable until the reply; not NUL-terminated. */
const char *request_body(const struct request *request, size_t *n);

/* Take the body over; body->block is NULL if it stays the request's. The caller subtracts it from
 * what is held, and frees it. */
void request_take_body(struct request *request, struct body *body);

struct header_name {
    const char *text; /* static; lower case */
    size_t n;
};

/* A part of the request, borrowed until its reply. */
struct request_text {
    const char *text;
    size_t n;
};

/* Find these headers in one pass; none may be one that libh2o has a token for. A value's text is
 * NULL if the header is missing or comes several times. false: all are missing, and values are
 * unchanged. */
bool request_headers(const struct request *request, const struct header_name *names, size_t n_names,
                     struct request_text *values);

/* Reply with body[0 .. n): application/json. The request is gone afterwards.
 * body: owned by the reply from now on, freed by it; NULL with n == 0 is an empty body. */
void request_reply(struct request *request, int status, char *body, size_t n);
/* The same with another type of content; static. */
void request_reply_as(struct request *request, int status, const char *type, char *body, size_t n);
/* {"error":"<text>"} and a newline. */
void request_reply_error(struct request *request, int status, const char *text);
/* The text and a newline, with 200; NULL: {"ok":true}. */
void request_reply_ok(struct request *request, const char *text);
/* Reply with 429, Retry-After and this error: there is no room now, but soon there may be. */
void request_reply_full(struct request *request, const char *text);
/* Add a header to the reply to come. name: lower case; both static. */
void request_add_header(struct request *request, const char *name, const char *value);
/* The same with a header of the request. */
void request_send_back(struct request *request, const struct header_name *name,
                       const struct request_text *value);

/* ---- a reply in pieces ---- */

/* Events, reported from the loop. */
struct request_watcher {
    void (*left)(void *owner); /* the client has left before its reply, which is still due */
    void (*room)(void *owner); /* the last piece has left: the next one may be sent */
    void (*gone)(void *owner); /* the client has left during the reply; the request is gone */
};

/* watcher: borrowed until the reply, or the last piece of it. */
void request_watch(struct request *request, const struct request_watcher *watcher, void *owner);
/* Begin the reply. type: static. false: there is no room, and the request was refused. */
bool request_stream(struct request *request, int status, const char *type);
/* Send a piece, the first one at once and any other when there is room. bytes: taken over. After
 * the last piece the request is gone. */
void request_send(struct request *request, struct buf *bytes, bool is_last);
/* Send the rest, then cut the reply off, so that the client sees that it is incomplete. Only while
 * no piece is being sent. bytes: taken over. The request is gone. */
void request_break(struct request *request, struct buf *bytes);
/* The value of the header `accept`; text NULL: there is none. */
struct request_text request_accept(const struct request *request);

/* ---- for http/knative.c, which wraps other handlers ---- */

struct request_text request_method(const struct request *request);
/* The target's path, normalised, without a query. */
struct request_text request_path(const struct request *request);
/* What follows "?" in the target; empty when there is none. */
struct request_text request_query(const struct request *request);
/* The i-th header. false: there are no more. */
bool request_header_at(const struct request *request, size_t i, struct request_text *name,
                       struct request_text *value);

/* Replace the body that request_body() returns; borrowed until the reply. */
void request_set_body(struct request *request, const char *body, size_t n);

/* The next request_reply() calls this function instead. It then owns `body` and must reply itself.
 * A reply in pieces goes to the client directly; the function is told of it by status 0. */
typedef void request_replied_fn(void *owner, struct request *request, int status, char *body,
                                size_t n);
void request_on_reply(struct request *request, request_replied_fn *replied, void *owner);

/* Add a header whose texts live shorter than the reply: they are copied. */
void request_add_header_copy(struct request *request, const char *name, size_t n_name,
                             const char *value, size_t n_value);
/* The type of request_reply(), instead of application/json; copied. */
void request_set_type(struct request *request, const char *type, size_t n);

#pragma once

/*
 * request - one request with its body. Valid from the call of the handler until the reply, even if
 * the client has left. Replies carry Content-Length, except 204 and replies in pieces.
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

/* For http/server.c: make the request for which libh2o has called its handler. */
struct request *request_new(struct requests *all, struct st_h2o_req_t *req);
/* The request's connection. */
struct connection *request_connection(const struct request *request);

/* ---- inside a handler and later ---- */

/* The time of loop_now_us() at which the request was complete. */
uint64_t request_came_at_us(const struct request *request);

/* The body, stable until the reply; not NUL-terminated. */
const char *request_body(const struct request *request, size_t *n);

/* Take the body over; body->block is NULL if the request keeps it. The caller frees the block, and
 * subtracts body->n_held from the memory that is held. */
void request_take_body(struct request *request, struct body *body);

struct header_name {
    const char *text; /* a string constant in lower case */
    size_t n;
};

/* A text in the request, borrowed until the reply. */
struct request_text {
    const char *text;
    size_t n;
};

/* Find these headers in one pass. None may be a header that libh2o has a token for. A value's text
 * is NULL if the header is missing or comes several times. false: all are missing, and values are
 * unchanged. */
bool request_headers(const struct request *request, const struct header_name *names, size_t n_names,
                     struct request_text *values);

/* Reply with body[0 .. n) as application/json. The request is gone after this call. body: taken
 * over; NULL with n == 0 is an empty body. */
void request_reply(struct request *request, int status, char *body, size_t n);
/* Like request_reply(), with another content type. type: a string constant. */
void request_reply_as(struct request *request, int status, const char *type, char *body, size_t n);
/* Reply with {"error":"<text>"} and a newline. */
void request_reply_error(struct request *request, int status, const char *text);
/* Reply with 200, the text and a newline. text NULL: {"ok":true}. */
void request_reply_ok(struct request *request, const char *text);
/* Reply with 429, Retry-After and this error: there is no room now, but soon there may be. */
void request_reply_full(struct request *request, const char *text);
/* Add a header to the reply, before it is sent. name: lower case; both texts: string constants. */
void request_add_header(struct request *request, const char *name, const char *value);
/* Add to the reply a header that came with the request. name: a string constant, as for
 * request_add_header(). */
void request_send_back(struct request *request, const struct header_name *name,
                       const struct request_text *value);

/* ---- a reply in pieces ---- */

/* Callbacks for events, called from the loop. */
struct request_watcher {
    void (*left)(void *owner); /* the client has left before its reply, which is still due */
    void (*room)(void *owner); /* the last piece has left: the next one may be sent */
    void (*gone)(void *owner); /* the client has left during the reply; the request is gone */
};

/* watcher: borrowed until the reply, or until its last piece. */
void request_watch(struct request *request, const struct request_watcher *watcher, void *owner);
/* Begin a reply in pieces. type: a string constant; NULL: as set by request_set_type(). false:
 * there is no room, and the request was refused. */
bool request_stream(struct request *request, int status, const char *type);
/* Send a piece of the reply. The first may be sent at once, each other one after room() was called.
 * bytes: taken over. After the last piece the request is gone. */
void request_send(struct request *request, struct buf *bytes, bool is_last);
/* Send the rest, then cut the reply off, so that the client sees that it is incomplete. Only while
 * no piece is being sent. bytes: taken over. The request is gone after this call. */
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

/* Like request_add_header(), but copies both texts and makes the name lower case. */
void request_add_header_copy(struct request *request, const char *name, size_t n_name,
                             const char *value, size_t n_value);
/* Set the content type for request_reply(), in place of application/json. type: copied. */
void request_set_type(struct request *request, const char *type, size_t n);

#pragma once

/*
 * request - one HTTP request with its body. It is valid from the call of its handler until the
 * reply, even if the client has left. Replies have a Content-Length, except those with status 204
 * and those that are streamed in pieces.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "http/span.h"

struct buf;
struct body;
struct connection;
struct request;
struct st_h2o_req_t;

typedef void server_handler_fn(void *owner, struct request *request);

/* For http/server.c: make a request from the `req` that libh2o has given to its handler. */
struct request *request_new(struct st_h2o_req_t *req);
/* The request's connection. */
struct connection *request_connection(const struct request *request);

/* ---- inside a handler and later ---- */

/* The loop time, as in loop_now_us(), at which the request was complete. */
uint64_t request_came_at_us(const struct request *request);

/* The body of the request, borrowed until the reply. Not NUL-terminated. */
const char *request_body(const struct request *request, size_t *n);

/* Take over the body of the request. If body->block is NULL, the request keeps its body; else the
 * caller frees that block, and calls held_drop() with body->n_held. */
void request_take_body(struct request *request, struct body *body);

/* The functions below return spans or set them. These spans point into the request, and are valid
 * until the reply. */

/* Find the values of these headers in one pass. names: lower case. Headers that libh2o knows itself
 * (its tokens, such as Accept) must not be among them. A value's text is NULL if its header is
 * missing or comes several times. false: all headers are missing, and `values` is unchanged. */
bool request_headers(const struct request *request, const struct span *names, size_t n_names,
                     struct span *values);

/* Reply with body[0 .. n) as application/json. The request is gone after this call. body: taken
 * over; NULL with n == 0 is an empty body. */
void request_reply(struct request *request, int status, char *body, size_t n);
/* Like request_reply(), but with another content type. type: a string constant. */
void request_reply_as(struct request *request, int status, const char *type, char *body, size_t n);
/* Reply with this status, {"error":"<text>"} and a newline. */
void request_reply_error(struct request *request, int status, const char *text);
/* Reply with 200, the text and a newline. text NULL: {"ok":true}. */
void request_reply_ok(struct request *request, const char *text);
/* Reply with 429, Retry-After and this error text: the proxy is full now, but perhaps not for
 * long. */
void request_reply_full(struct request *request, const char *text);
/* Add a header to the reply, before it is sent. name: lower case; both texts: string constants. */
void request_add_header(struct request *request, const char *name, const char *value);

/* ---- a reply in pieces ---- */

/* Callbacks that tell a handler what happens to its request, called from the loop. */
struct request_watcher {
    void (*left)(void *owner); /* the client left before the reply, which must still be sent */
    void (*room)(void *owner); /* the client has taken the last piece: send the next one */
    void (*gone)(void *owner); /* the client left during the reply; the request is gone */
};

/* Set the callbacks. watcher: borrowed until the reply; if that comes in pieces, until the last
 * piece. */
void request_watch(struct request *request, const struct request_watcher *watcher, void *owner);
/* Begin a reply that is streamed in pieces. type: its content type, a string constant; NULL: as set
 * by request_set_type(). false: there is no memory for the reply, and an error was sent instead. */
bool request_stream(struct request *request, int status, const char *type);
/* Send a piece of the reply: the first one at any time, each later one after the watcher's room()
 * was called. bytes: taken over. After the last piece the request is gone. */
void request_send(struct request *request, struct buf *bytes, bool is_last);
/* Send these bytes, then cut the reply off, so that the client sees that it is incomplete. Call
 * this only while no piece is being sent. bytes: taken over. The request is gone after this
 * call. */
void request_break(struct request *request, struct buf *bytes);
/* The value of the next header `accept`. *at: -1 for the first one. text NULL: there are no
 * more. */
struct span request_accept(const struct request *request, ssize_t *at);

/* ---- for http/knative.c, which wraps other handlers ---- */

struct span request_method(const struct request *request);
/* The path in the request's target, as the client wrote it, without the query. */
struct span request_path(const struct request *request);
/* The part of the request's target after "?"; of length 0 if there is no "?". */
struct span request_query(const struct request *request);
/* Get the i-th header of the request, counted from 0. false: there are no more. */
bool request_header_at(const struct request *request, size_t i, struct span *name,
                       struct span *value);

/* Replace the body that request_body() returns. body: borrowed until the reply. */
void request_set_body(struct request *request, const char *body, size_t n);

/* Called once with the reply that a handler makes, instead of sending it. The function owns `body`
 * and must reply itself. But a streamed reply is sent by the handler: when it begins, the function
 * is called with status 0. */
typedef void request_replied_fn(void *owner, struct request *request, int status, char *body,
                                size_t n);
void request_on_reply(struct request *request, request_replied_fn *replied, void *owner);

/* Like request_add_header(), but copies both texts and makes the name lower case. */
void request_add_header_copy(struct request *request, struct span name, struct span value);
/* Set the content type for request_reply(), in place of application/json. type: copied. */
void request_set_type(struct request *request, const char *type, size_t n);

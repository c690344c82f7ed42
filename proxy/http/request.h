#pragma once

/*
 * request - one request with its body, from its handler's call until its reply: it is valid so
 * long, however long that takes and whether or not its client has left. Replies always carry
 * Content-Length.
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
    bool is_ending; /* a reply ends its connection, unless the client has sent more behind */
};

/* For http/server.c: a request that libh2o's handler was called for. */
struct request *request_new(struct requests *all, struct st_h2o_req_t *req);
/* Its connection. */
struct connection *request_connection(const struct request *request);

/* ---- inside a handler and later ---- */

/* Loop time when the whole request was there. */
uint64_t request_came_at_us(const struct request *request);

/* The body, stable until the reply; not NUL-terminated. */
const char *request_body(const struct request *request, size_t *n);

/* Take the body over instead: body->block is NULL when it stays the request's. It must be dropped
 * from what is held, and freed. */
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

/* Find the headers of these names, in one pass; none of them may be one that libh2o has as a token.
 * A value's text is NULL when there is none, or several of that name.
 * false: there is none of them all, and values stay as they were. */
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
/* 429 with Retry-After and that error: there is no room, and soon there may be. */
void request_reply_full(struct request *request, const char *text);
/* Add a header to the reply to come. name: lower case; both static. */
void request_add_header(struct request *request, const char *name, const char *value);
/* The same with a header of the request. */
void request_send_back(struct request *request, const struct header_name *name,
                       const struct request_text *value);

/* ---- a reply in pieces ---- */

/* What happens to it, called from the loop. */
struct request_watcher {
    void (*left)(void *owner); /* the client has left, and no reply was begun: one is still due */
    void (*room)(void *owner); /* the piece before has left: the next one may be sent */
    void (*gone)(void *owner); /* the client has left during the reply; the request is gone */
};

/* watcher: borrowed until the reply, or the last piece of it. */
void request_watch(struct request *request, const struct request_watcher *watcher, void *owner);
/* Begin the reply. type: static; NULL: that of request_set_type(). false: there is no room for it,
 * and it was refused instead. */
bool request_stream(struct request *request, int status, const char *type);
/* Send a piece, the first one at once and any other when there is room. bytes: taken over. After
 * the last piece the request is gone. */
void request_send(struct request *request, struct buf *bytes, bool is_last);
/* Send what there is and end without a proper end, by which the client sees that there should be
 * more. Only while no piece is on its way. bytes: taken over. The request is gone. */
void request_break(struct request *request, struct buf *bytes);
/* The value of the header `accept`; text NULL: there is none. */
struct request_text request_accept(const struct request *request);

/* ---- for whoever stands between a client and a handler: http/knative.c ---- */

struct request_text request_method(const struct request *request);
/* The target's path, normalised, without a query. */
struct request_text request_path(const struct request *request);
/* What follows "?" in the target; empty when there is none. */
struct request_text request_query(const struct request *request);
/* The i-th header, whichever it is. false: there are no more. */
bool request_header_at(const struct request *request, size_t i, struct request_text *name,
                       struct request_text *value);

/* From now on request_body() is this; borrowed until the reply. */
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

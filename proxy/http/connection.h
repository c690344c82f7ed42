#pragma once

/*
 * connection - one client's connection, in front of libh2o: its input is read here, framed strictly
 * (http/framing.h), bounded before it is read (base/held.h), and given to libh2o as one whole
 * request at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/connections.h"

struct st_h2o_accept_ctx_t;
struct st_h2o_socket_t;

/* Take over an accepted socket. */
void connection_open(struct connections *all, struct st_h2o_accept_ctx_t *accept_ctx,
                     struct st_h2o_socket_t *sock);

/* ---- for http/request.c: the request that libh2o is working on ---- */

struct connection *connection_of(struct st_h2o_socket_t *sock);
struct connections *connection_all(const struct connection *connection);
/* The error to reply with instead of calling the handler; NULL: none. */
const struct refusal *connection_refusal(const struct connection *connection);
/* The request's handler was called: watch the client from now on. */
void connection_busy(struct connection *connection);
/* Call left(owner) once if the client leaves before or during its reply; the request still exists
 * then. Not called if the client has sent more after its request: then its leaving cannot be
 * seen. */
void connection_on_left(struct connection *connection, connection_left_fn *left, void *owner);
/* Whether the client has sent more after its request, or has left. */
bool connection_has_more(const struct connection *connection);
/* It must be closed after this reply. */
bool connection_ends(const struct connection *connection);
/* The reply begins, and holds n bytes. */
void connection_replying(struct connection *connection, uint64_t n);
/* Set whether the client has something to take: a piece of the reply was given to libh2o, or all of
 * it was taken. A client is slow only while it has something to take. */
void connection_sending(struct connection *connection);
void connection_waiting(struct connection *connection);
/* Whatever libh2o writes now fails. */
void connection_cut(struct connection *connection);
/* n bytes of the reply were taken. */
void connection_took(struct connection *connection, uint64_t n);
/* The request has ended in any way. */
void connection_done(struct connection *connection);

/* The memory of a request's body, with BODY_ROOM writable bytes before it and one after it. */
struct body {
    char *block; /* to be freed; NULL: the body stays the request's */
    char *text;
    size_t n;
    uint64_t n_held; /* to be dropped from what is held */
};
/* Take the body over if it is large enough to be worth it. */
void connection_take_body(struct connection *connection, struct body *body);

#pragma once

/*
 * connection - one client's connection, in front of libh2o: we read the input, frame it strictly
 * (http/framing.h), bound its size before we read it (base/held.h), and give libh2o one whole
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
/* Call when the request's handler was called: watches the client from now on. */
void connection_busy(struct connection *connection);
/* Call left(owner) once if the client leaves before or during its reply; the request still exists
 * then. Not called if the client has sent more after its request: then we cannot notice that it
 * leaves. */
void connection_on_left(struct connection *connection, connection_left_fn *left, void *owner);
/* Whether the client has sent more after its request, or has left. */
bool connection_has_more(const struct connection *connection);
/* Whether the connection must be closed after this reply. */
bool connection_ends(const struct connection *connection);
/* Call when the reply begins. n: bytes of memory to count as held for the reply. */
void connection_replying(struct connection *connection, uint64_t n);
/* Call connection_sending() when a piece of the reply was given to libh2o, and connection_waiting()
 * when the client has taken all pieces so far: it cannot be slow until the next one. */
void connection_sending(struct connection *connection);
void connection_waiting(struct connection *connection);
/* Shut the socket down: what libh2o writes after this fails. */
void connection_cut(struct connection *connection);
/* Call when the client has taken n bytes of the reply. */
void connection_took(struct connection *connection, uint64_t n);
/* Call when the request has ended, in whatever way. */
void connection_done(struct connection *connection);

/* The memory of a request's body, with BODY_ROOM writable bytes before it and one after it. */
struct body {
    char *block;     /* for the caller to free; NULL: the request keeps the body */
    uint64_t n_held; /* bytes counted as held memory; the caller subtracts them */
};
/* Take the body over from the request, if it is large enough to be worth it. */
void connection_take_body(struct connection *connection, struct body *body);

#pragma once

/*
 * connection - the clients of one listener, in front of libh2o: what they send is read here, framed
 * strictly (http/framing.h), bounded before it is read (base/held.h), and given to libh2o as whole
 * requests only, one at a time.
 *
 *     idle ──► head ──► body ──► busy ──► replying ──► idle
 *                 └──► refused: busy, answered by a request of our own, closed
 *
 * libh2o never reads from a client's socket, so nothing that was not looked at here reaches it.
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

/* ---- for http/request.c: a request that libh2o has been given ---- */

struct connection *connection_of(struct st_h2o_socket_t *sock);
struct connections *connection_all(const struct connection *connection);
/* What is to be answered instead of the request; NULL: the request itself. */
const struct refusal *connection_refusal(const struct connection *connection);
/* The request has come to its handler; the client is watched. */
void connection_busy(struct connection *connection);
/* left(owner) is called once when the client leaves, before its reply or during it; the request is
 * still there. A client that sends more behind its request is no longer seen leaving. NULL: not. */
void connection_on_left(struct connection *connection, connection_left_fn *left, void *owner);
/* Whether the client has sent more behind its request, or has left. */
bool connection_has_more(const struct connection *connection);
/* It must be closed after this reply. */
bool connection_ends(const struct connection *connection);
/* The reply begins to leave, n bytes of it are held. */
void connection_replying(struct connection *connection, uint64_t n);
/* A piece of a reply is given to libh2o, or all of it was taken and the next one is not there yet:
 * a client is slow only while it has something to take. */
void connection_sending(struct connection *connection);
void connection_waiting(struct connection *connection);
/* Whatever libh2o writes now fails. */
void connection_cut(struct connection *connection);
/* n bytes of the reply were taken. */
void connection_took(struct connection *connection, uint64_t n);
/* The request is gone, whatever became of it. */
void connection_done(struct connection *connection);

/* The memory of a request's body, with room for BODY_ROOM bytes before it and one behind. */
struct body {
    char *block; /* to be freed; NULL: the body stays the request's */
    char *text;
    size_t n;
    uint64_t n_held; /* to be dropped from what is held */
};
/* Take the body over, if it is large enough to be worth it. */
void connection_take_body(struct connection *connection, struct body *body);

#pragma once

/*
 * connection - one client's connection. We read its input in place of libh2o, find the end of each
 * request by strict rules (http/framing.h), bound the memory for each request (base/held.h), and
 * give libh2o one whole request at a time.
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

/* Call when libh2o has called the request's handler. From now on we watch the client's socket, to
 * notice if the client leaves or sends more bytes. */
void connection_busy(struct connection *connection);
/* Have left(owner) called once if the client closes the connection before or during its reply. The
 * request still exists at that time. If the client has sent more bytes after its request, left() is
 * perhaps not called: we may have stopped reading, and then do not see the client leave. */
void connection_on_left(struct connection *connection, connection_left_fn *left, void *owner);
/* Whether the client has sent more bytes after its request, or has left. */
bool connection_has_more(const struct connection *connection);
/* Call when the reply begins. n: bytes of memory to count as held for the reply. */
void connection_replying(struct connection *connection, uint64_t n);
/* Call connection_sending() when a piece of the reply is given to libh2o. Call connection_waiting()
 * when the client has taken that piece. Call it, too, when a reply begins without a piece. From
 * connection_waiting() to the next piece, the client does not count as slow. */
void connection_sending(struct connection *connection);
void connection_waiting(struct connection *connection);
/* Shut the socket down, so that libh2o's next write fails. */
void connection_cut(struct connection *connection);
/* Call when libh2o disposes of the request, replied to or not. */
void connection_done(struct connection *connection);

/* The memory block of a request's body. BODY_ROOM bytes before the body and one byte after it are
 * writable. */
struct body {
    char *block;     /* the caller frees it; NULL: the body was not taken over */
    uint64_t n_held; /* bytes counted as held for the block, until the caller calls held_drop() */
};
/* Hand the memory of the request's body over to the caller. For a small body this is not done:
 * body->block becomes NULL, and the body stays valid only until the reply. */
void connection_take_body(struct connection *connection, struct body *body);

#pragma once

/*
 * receive - read a client's input, and cut it into whole requests for libh2o.
 */

#include <stddef.h>

#include "http/connections.h"

struct st_h2o_buffer_t;

/* Callback for input on a client's socket: reads requests, and notices clients that leave. */
void receive_on_readable(struct st_h2o_socket_t *sock, const char *error);
/* Process input that came after the last request: it was kept in c->raw, or is unread in the
 * socket. */
void receive_rest(struct connection *c);
/* Enlarge a block to a larger capacity, and return it at its new address. block NULL: allocate one
 * of at least this capacity. A block can serve as libh2o's input buffer. */
struct st_h2o_buffer_t *receive_block(struct st_h2o_buffer_t *block, size_t capacity);

#pragma once

/*
 * receive - a client's input, cut into whole requests for libh2o.
 */

#include <stddef.h>

#include "http/connections.h"

struct st_h2o_buffer_t;

/* Callback for input on a client's socket: reads requests, and notices clients that leave. */
void receive_on_readable(struct st_h2o_socket_t *sock, const char *error);
/* Process kept input, which came after the last request. */
void receive_rest(struct connection *c);
/* Enlarge a block that can be an input buffer of libh2o; NULL: allocate one, of at least that
 * capacity. A block that exists must grow. */
struct st_h2o_buffer_t *receive_block(struct st_h2o_buffer_t *block, size_t capacity);

#pragma once

/*
 * receive - a client's input, cut into whole requests for libh2o.
 */

#include <stddef.h>

#include "http/connections.h"

struct st_h2o_buffer_t;

/* Callback for input on a client's socket: reads requests, and notices clients that leave. */
void receive_on_readable(struct st_h2o_socket_t *sock, const char *error);
/* Process the input that came after the last request: what was kept, or is still in the socket. */
void receive_rest(struct connection *c);
/* Enlarge a block, which can serve as libh2o's input buffer, to this larger capacity. block NULL:
 * allocate one of at least this capacity. */
struct st_h2o_buffer_t *receive_block(struct st_h2o_buffer_t *block, size_t capacity);

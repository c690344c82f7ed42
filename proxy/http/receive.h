#pragma once

/*
 * receive - a client's input, cut into whole requests for libh2o.
 */

#include <stddef.h>

#include "http/connections.h"

struct st_h2o_buffer_t;

/* libh2o's callback for input, for a connection that is idle, receives, or is watched. */
void receive_on_readable(struct st_h2o_socket_t *sock, const char *error);
/* Process input that was read after the last request. */
void receive_rest(struct connection *c);
/* A block like libh2o's input buffers; NULL: allocate one. Its capacity differs from that of the
 * buffers that libh2o recycles. */
struct st_h2o_buffer_t *receive_block(struct st_h2o_buffer_t *block, size_t capacity);

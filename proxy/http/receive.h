#pragma once

/*
 * receive - what a client sends, made into whole requests for libh2o.
 */

#include <stddef.h>

#include "http/connections.h"

struct st_h2o_buffer_t;

/* libh2o's callback for input: of a connection that is idle, receives, or is watched. */
void receive_on_readable(struct st_h2o_socket_t *sock, const char *error);
/* Go on with what was read already behind the last request. */
void receive_rest(struct connection *c);
/* A block as libh2o's input buffers are; NULL: a new one. Its capacity is never that of the ones
 * that libh2o recycles. */
struct st_h2o_buffer_t *receive_block(struct st_h2o_buffer_t *block, size_t capacity);

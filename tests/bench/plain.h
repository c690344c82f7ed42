#pragma once

/*
 * plain - the smallest libh2o server there is: one handler for all requests, one thread.
 *
 * What the proxy is held against runs on this, with the settings of proxy/http/server.c, so that a
 * difference between the two is the proxy's work and nothing else.
 */

#include <stddef.h>
#include <stdint.h>

struct st_h2o_handler_t;
struct st_h2o_req_t;

/* libh2o's own form: 0 once it was answered, or will be, with plain_reply(). */
typedef int plain_fn(struct st_h2o_handler_t *handler, struct st_h2o_req_t *req);

/* Read a port from a command line. 0: it is none. */
uint16_t plain_port(const char *text);

/* Serve on 127.0.0.1 until a signal ends us. Returns only on failure: 1, told on stderr. */
int plain_serve(uint16_t port, plain_fn *handler);

/* Answer with JSON. body: lives as long as the request's pool. */
void plain_reply(struct st_h2o_req_t *req, int status, const char *body, size_t n);

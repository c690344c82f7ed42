#pragma once

/*
 * server - HTTP/1.1 by libh2o: one listener and its paths. What clients send passes
 * http/connection.c first.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/connection.h"
#include "http/endpoint.h"
#include "http/request.h"

struct err;
struct held;
struct loop;
struct server;

/* Requests to exactly this path; other methods than its own are answered with 405. */
struct server_route {
    const char *path; /* "/NAME/": any path below it */
    server_handler_fn *handler;
    void *owner; /* borrowed */
    uint64_t body_max_bytes;
    const char *bound;     /* the option's name, for the client's text; NULL: none sets it */
    const char *methods;   /* instead of POST: "GET, HEAD"; NULL: POST */
    uint64_t *n_too_large; /* where bodies that are refused for their size count; NULL: nowhere */
    uint64_t *n_no_room;   /* ... for want of memory to hold them */
};

struct server_opts {
    const struct endpoint *endpoint;
    const char *options;        /* those that say where, for the error's text */
    const char *not_found_text; /* what the client of another path is told; static */
    const char *instance; /* which run of the program this is, told with each 405; NULL: not told */
    uint64_t idle_ms;     /* a connection without a whole request is closed after so long */
    uint64_t transfer_ms; /* a client that sends or takes too little in so long is dropped */
    unsigned connections_max;
    struct held *held; /* borrowed */
};

/* Bind and listen; connections are served once the loop runs. routes: borrowed.
 * NULL: err is ERR_SYSTEM and says what address could not be had. */
struct server *server_new(struct loop *loop, const struct server_opts *opts,
                          const struct server_route *routes, size_t n_routes, struct err *err);
/* Frees all. false: clients keep connections open, so what they hold stays, and the loop must,
 * too. */
bool server_free(struct server **server);
/* 0: a Unix socket. */
uint16_t server_port(const struct server *server);

/* From now on a reply ends its connection, unless the client has sent more behind its request. */
void server_wind_down(struct server *server);
/* Take no more connections. */
void server_drain(struct server *server);
/* Requests whose reply has not wholly left. */
unsigned server_n_open(const struct server *server);
/* Drop clients that have taken hardly anything of their reply in the last ms. */
void server_drop_slow(struct server *server, uint64_t ms);
/* For what is counted of them. */
const struct connections *server_connections(const struct server *server);

#pragma once

/*
 * server - an HTTP/1.1 server made of libh2o: one listener, and handlers for its paths. libh2o gets
 * its requests from http/receive.c.
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

/* A path and its handler. The path must match exactly; a request with another method than the
 * handler takes is answered with 405. */
struct server_route {
    const char *path; /* "/NAME/" stands for all paths that begin with it */
    server_handler_fn *handler;
    void *owner; /* borrowed */
    uint64_t body_max_bytes;
    const char *bound;     /* the option that sets body_max_bytes, for error texts; NULL: none */
    const char *methods;   /* allowed methods, such as "GET, HEAD"; NULL: POST */
    uint64_t *n_too_large; /* counter of bodies refused because of their size; NULL: none */
    uint64_t *n_no_room;   /* counter of bodies refused because memory is short; NULL: none */
    bool tells_instance;   /* server_opts.instance is sent as a header of each reply */
};

struct server_opts {
    const struct endpoint *endpoint;
    const char *options;        /* the options that set the address, for error texts */
    const char *not_found_text; /* text of the reply 404; a string constant */
    const char *instance; /* id of this run of the program, for a header of replies; NULL: none */
    uint64_t idle_ms;     /* close a connection without a whole request after this time */
    /* close a connection whose client sends or reads too little for this long */
    uint64_t transfer_ms;
    unsigned connections_max;
    struct held *held; /* borrowed */
};

/* Bind and listen. Connections are served once the loop runs. routes: borrowed. NULL: err is
 * ERR_SYSTEM and names the address. */
struct server *server_new(struct loop *loop, const struct server_opts *opts,
                          const struct server_route *routes, size_t n_routes, struct err *err);
/* Close the server and free it. false: some connections are open because of requests in progress.
 * Their state is not freed then, and the loop must not be freed either. */
bool server_free(struct server **server);
/* The TCP port of the listener; 0: it is a Unix socket. */
uint16_t server_port(const struct server *server);

/* From now on close each connection after its reply, unless the client has sent another request. */
void server_wind_down(struct server *server);
/* Close the listener: take no more connections. */
void server_drain(struct server *server);
/* Number of requests whose clients have not taken the whole reply. */
unsigned server_n_open(const struct server *server);
/* Drop clients that have taken hardly any of their reply in the last `ms` milliseconds, see
 * connections_drop_slow(). */
void server_drop_slow(struct server *server, uint64_t ms);
/* The server's connections, to read their counters. */
const struct connections *server_connections(const struct server *server);

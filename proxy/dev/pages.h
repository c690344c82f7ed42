#pragma once

/*
 * pages - what the dev server answers by HTTP: the page, the data that the page asks for, and /run,
 * /init and /healthz. Web pages of other sites must not use this server.
 *
 * But a page of another site can make the browser send requests to this server. So the header Host
 * must be one of our addresses: another site can give our address to a name of its own (DNS
 * rebinding). The header Origin, if it is sent, must be ours. A POST below /dev/ needs a token that
 * only our own page can read.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/request.h"
#include "http/server.h"

struct buf;
struct journal;
struct loader;
struct service;

#define PAGES_ROUTES_MAX  10
#define PAGES_TOKEN_BYTES 32

/* All texts are borrowed until the program ends. */
struct pages_opts {
    const char *listen;   /* the address to listen on, as the user gave it */
    const char *instance; /* identifies this run of the program */
    uint64_t run_max_bytes;
    uint64_t init_max_bytes;
    bool has_page;             /* serve the page, not only /run, /init and /healthz */
    server_handler_fn *health; /* handler of GET /healthz */
    void *health_owner;
};

struct pages;

/* Stands before a route: passes on the requests that may use the route, and refuses others. */
struct pages_guard {
    struct pages *pages;
    struct server_route route;
};

struct pages {
    struct service *service; /* borrowed */
    struct journal *journal; /* borrowed */
    struct loader *loader;   /* borrowed */
    struct pages_opts opts;
    unsigned port; /* set by dev_begin(); 0: the server listens on a Unix socket */
    char token[PAGES_TOKEN_BYTES + 1];
    struct pages_guard guards[PAGES_ROUTES_MAX];
    struct server_route routes[PAGES_ROUTES_MAX];
    size_t n_routes;
};

/* Fill pages->routes. service, journal and loader are borrowed; they need not be set up yet. */
void pages_init(struct pages *pages, struct service *service, struct journal *journal,
                struct loader *loader, const struct pages_opts *opts);
/* Append what GET /dev/state tells, as a JSON object in one line: the action that is being
 * developed, and its state. */
void pages_write_state(const struct pages *pages, struct buf *out);
/* Whether text[0 .. n) is one of our addresses. text: the header Host, or what follows "http://" in
 * the header Origin. */
bool pages_is_own_host(const char *listen, unsigned port, const char *text, size_t n);

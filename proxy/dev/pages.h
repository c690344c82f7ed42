#pragma once

/*
 * pages - what the dev server answers by HTTP: the page, what the page asks for, and /run, /init
 * and /healthz, all for this machine's browsers only.
 *
 * A page of another site can make the browser send requests here. So Host must be one of our
 * addresses: a name that another site has made to lead here is none of them. Origin, if it is sent,
 * must be ours. A POST below /dev/ needs a token that only our own page can read.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/request.h"
#include "http/server.h"

struct journal;
struct loader;
struct service;
struct status;

#define PAGES_ROUTES_MAX  16
#define PAGES_TOKEN_BYTES 32

struct pages;

struct pages_guard {
    struct pages *pages;
    server_handler_fn *handler;
    void *owner;
    bool wants_token;
    bool is_page; /* answers with the page, to which other sites may link */
};

struct pages {
    struct service *service;     /* borrowed */
    struct journal *journal;     /* borrowed */
    struct loader *loader;       /* borrowed */
    const struct status *status; /* borrowed */
    const char *listen;          /* the address to listen on, as given; borrowed */
    unsigned port;
    char token[PAGES_TOKEN_BYTES + 1];
    struct pages_guard guards[PAGES_ROUTES_MAX];
    struct server_route routes[PAGES_ROUTES_MAX];
    size_t n_routes;
};

struct pages_opts {
    const char *listen;
    uint64_t run_max_bytes;
    uint64_t init_max_bytes;
    bool has_page;
    server_handler_fn *health; /* handler of GET /healthz */
    void *health_owner;
};

/* Fill `routes`. pages: zeroed, except for the borrowed members. The owner sets the port once it is
 * known. */
void pages_init(struct pages *pages, const struct pages_opts *opts);
/* Whether text[0 .. n), a Host or what follows "http://" in an Origin, is one of our addresses; for
 * tests, too. */
bool pages_is_own_host(const char *listen, unsigned port, const char *text, size_t n);

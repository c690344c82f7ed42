#pragma once

/*
 * pages - what the dev server answers by HTTP: the page, what the page asks for, and /run, /init
 * and /healthz, all for this machine's browsers only.
 *
 * A page of another site can make the browser send requests here. So Host must be an address of
 * ours (a name that was made to lead here is none), Origin, where it is told, ours, and what
 * changes things wants a token that only our own page can read.
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
    bool is_page; /* other sites may link to it */
};

struct pages {
    struct service *service;     /* borrowed */
    struct journal *journal;     /* borrowed */
    struct loader *loader;       /* borrowed */
    const struct status *status; /* borrowed */
    const char *listen;          /* the address that was asked for, borrowed */
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
    server_handler_fn *health; /* GET /healthz */
    void *health_owner;
};

/* pages: zeroed but for what is borrowed. The routes are there afterwards; the port is set once it
 * is known. */
void pages_init(struct pages *pages, const struct pages_opts *opts);
/* Whether a Host or the part of an Origin behind "http://" is one of ours; for tests, too. */
bool pages_is_own_host(const char *listen, unsigned port, const char *text, size_t n);

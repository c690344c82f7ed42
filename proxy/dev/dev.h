#pragma once

/*
 * dev - the command dev: serve the action in a file or folder, replace it on each save, and show
 * what it does on the terminal and on a page.
 *
 * It is a layer on the code that serves in production: a preloaded action (action/preloaded.h), its
 * replacement (http/versions.h), streams (base/output.h) and activations (http/run.c, which tells
 * an observer).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/request.h"

struct dev;
struct err;
struct server_route;
struct service;

#define DEV_PORTS_TRIED 20 /* number of ports tried, from --port on, until one is free */

#define DEV_LOST "No such path: the page is at /, the action at POST /run."

/* Texts borrowed for the program's life. */
struct dev_opts {
    const char *path; /* FILE or FOLDER */
    const char *main;
    char *const *env;
    const char *listen;
    const char *argument; /* --invoke; "": none */
    const char *instance;
    uint64_t port_wanted;
    uint64_t run_max_bytes;
    uint64_t init_max_bytes;
    uint64_t inspect; /* 0: off; 1: at the debugger's usual port; else the port */
    bool runtime_is_named;
    bool opens;
    bool has_page;
    bool is_json;
    server_handler_fn *health; /* handler of GET /healthz */
    void *health_owner;
};

/* service: borrowed, not set up yet. */
struct dev *dev_new(struct service *service, const struct dev_opts *opts);
/* The routes for the server to serve. */
const struct server_route *dev_routes(const struct dev *dev, size_t *n);
/* Begin to serve the action. Call when the service and its streams are set up and the server
 * listens on `port`. 0, or -1. */
int dev_begin(struct dev *dev, unsigned port, struct err *err);
/* Stop loading versions, and end the event streams of the pages. May be called again, without
 * effect. wait_ms: how long running activations may take to end; the terminal says that they are
 * waited for. */
void dev_stop(struct dev *dev, uint64_t wait_ms);
/* Call after the server is gone. Waits up to wait_ms for the terminal to take what is pending. */
void dev_free(struct dev **dev, int wait_ms);

#pragma once

/*
 * dev - the command dev: serve the action in a file or folder, replace it on each save, and show on
 * the terminal and on a web page what it does.
 *
 * The modules that find, replace, run and log an action in production do it here, too:
 * action/preloaded.h, http/versions.h, http/run.h and base/output.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dev/pages.h"

struct dev;
struct err;
struct server_route;
struct service;

/* All texts are borrowed until the program ends. */
struct dev_opts {
    const char *path; /* the argument FILE or FOLDER of the command */
    const char *main;
    char *const *env;
    const char *argument; /* argument of --invoke; "": none */
    uint64_t port_wanted;
    uint64_t inspect; /* port for a debugger; 0: no debugger; 1: the debugger's usual port */
    bool runtime_is_named;
    bool opens;   /* open the page in a browser */
    bool is_json; /* write one JSON object a line to the terminal instead of text */
    struct pages_opts pages;
};

/* service: borrowed; it need not be set up before dev_begin(). */
struct dev *dev_new(struct service *service, const struct dev_opts *opts);
/* The routes that the server must serve. *n: their number. */
const struct server_route *dev_routes(const struct dev *dev, size_t *n);
/* Begin to serve the action. Call when the service, its stdout and its stderr are set up and the
 * server listens. port: the server's TCP port; 0: it listens on a Unix socket. Returns 0, or -1
 * with err. */
int dev_begin(struct dev *dev, unsigned port, struct err *err);
/* Load no more versions of the action, end the event streams of the pages, and tell on the terminal
 * how long running activations are waited for. wait_ms: most time that the program will wait for
 * them. A second call has no effect. */
void dev_stop(struct dev *dev, uint64_t wait_ms);
/* Call after the server is gone. Waits up to wait_ms for the terminal to take the pending lines. */
void dev_free(struct dev **dev, int wait_ms);

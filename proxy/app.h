#pragma once

/*
 * app - the whole program's state, for main.c and the two files split off from it: listen.c opens
 * the listeners, drain.c ends the program.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/output.h"
#include "config.h"
#include "http/admin.h"
#include "http/knative.h"
#include "http/preload.h"
#include "http/server.h"
#include "http/service.h"
#include "setup.h"

struct command;
struct dev;
struct err;

/* Lives on main's stack. */
struct app {
    struct config config;
    struct loop *loop;
    struct server_route routes[2]; /* of the platform's contract: /run and /init */
    struct server_route entry;     /* Knative's only route: / */
    struct server_route admin_routes[3];
    struct server *server;       /* NULL: a command runs that needs no server */
    struct command *command;     /* invoke, pipe or test; NULL: the program serves HTTP */
    struct dev *dev;             /* NULL: any command but dev */
    struct server *admin_server; /* NULL: --admin is not given */
    struct admin admin;
    struct held admin_held; /* memory for the operator's requests; clients cannot fill it */
    struct knative knative;
    struct setup setup;
    struct output out;
    struct output err;
    struct service service;
    struct preload preload;
    struct loop_timer drain; /* during a drain: checks whether it is complete */
    uint64_t drain_until_ms; /* time of loop_now_ms() at which running activations are given up */
    uint64_t leave_at_ms; /* deadline for clients that do not read their replies; 0: not set yet */
    char instance[48];    /* differs in each run; bin/init.sh --watch compares it */
    int status;           /* exit status unless something else failed */
    bool all_closed;      /* no connection uses the loop any more */
};

/* Open the listener for clients, which serves /init and /run, Knative or `dev`, and if it is wanted
 * a second one for the operator (--admin). 0, or -1. */
int listen_for_all(struct app *app, struct err *err);

/* Drain on SIGTERM and SIGINT, and on SIGHUP if there is no log file. */
void drain_init(struct app *app);
/* Shut down without a signal. wait_ms: limit for running activations. */
void drain_begin(struct app *app, uint64_t wait_ms);

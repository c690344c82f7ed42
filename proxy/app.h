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

/* A local variable of main(). */
struct app {
    struct config config;
    struct loop *loop;
    struct server_route routes[2]; /* the platform's paths: /run and /init */
    struct server_route entry;     /* Knative's only path: / */
    struct server_route admin_routes[3];
    struct server *server;       /* serves clients; NULL: the command needs no server */
    struct command *command;     /* invoke, pipe or test; NULL: the program serves HTTP */
    struct dev *dev;             /* state of the command dev; else NULL */
    struct server *admin_server; /* serves the operator; NULL: --admin is not given */
    struct admin admin;
    struct held admin_held; /* bound on memory for the operator's requests, apart from clients */
    struct knative knative;
    struct setup setup;
    struct output out;
    struct output err;
    struct service service;
    struct preload preload;
    struct loop_timer drain; /* ends --drain-delay; then checks whether the drain is complete */
    uint64_t drain_until_ms; /* when running activations are given up, in loop_now_ms() time */
    bool ignores_hangup;     /* started with SIGHUP ignored: it ends nothing */
    bool interrupted;        /* SIGINT came: give up loading an action, but wait for activations */
    uint64_t leave_at_ms; /* deadline for clients that do not read their replies; 0: not set yet */
    char instance[48];    /* id of this run; bin/init.sh --watch learns by it of a restart */
    int status;           /* the exit status, unless run() fails */
    bool all_closed;      /* no connection uses the loop any more, so it can be freed */
};

/* Open the listener for clients, with the paths of the platform, of Knative or of the command dev.
 * With --admin, open another one for the operator. 0, or -1. */
int listen_for_all(struct app *app, struct err *err);

/* From now on, shut down on SIGTERM and SIGINT, and on SIGHUP if there is no log file and nohup or
 * its like has not set it to be ignored. */
void drain_init(struct app *app);
/* Shut down without a signal. wait_ms: longest wait for running activations. */
void drain_begin(struct app *app, uint64_t wait_ms);

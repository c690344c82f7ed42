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
    struct held admin_held; /* memory bound for the operator's requests; clients have another */
    struct knative knative;
    struct setup setup;
    struct output out;
    struct output err;
    struct service service;
    struct preload preload;
    /* ends the wait of --drain-delay, then checks again and again whether the drain is complete */
    struct loop_timer drain;
    uint64_t drain_until_ms; /* when running activations are given up, in loop_now_ms() time */
    bool ignores_hangup;  /* the program was started with SIGHUP ignored, so SIGHUP ends nothing */
    bool interrupted;     /* SIGINT came: give up loading an action, but wait for activations */
    uint64_t leave_at_ms; /* deadline for clients that do not read their replies; 0: not set yet */
    char instance[48];    /* id of this run; a new id tells bin/init.sh --watch of a restart */
    int status;           /* the exit status, unless run() fails */
    bool all_closed;      /* no connection uses the loop any more, so it can be freed */
};

/* Open the listener for clients, which serves either the platform's paths, Knative's, or those of
 * the command dev. With --admin, also open a listener for the operator. 0, or -1 with err. */
int listen_for_all(struct app *app, struct err *err);

/* From now on, shut down on SIGTERM, SIGINT and SIGHUP. SIGHUP reopens the log file instead, if
 * there is one. Without a log file, SIGHUP does nothing if it was ignored at the start, as by
 * nohup. */
void drain_init(struct app *app);
/* Begin the shutdown, without a signal. wait_ms: longest wait for running activations. */
void drain_begin(struct app *app, uint64_t wait_ms);

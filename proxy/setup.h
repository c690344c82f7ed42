#pragma once

/*
 * setup - derive the modules' options from settings, environment and image: which runtimes exist,
 * where actions are unpacked, which user they run as, how they are served.
 */

#include <stdbool.h>

#include "action/actionloop.h"
#include "action/runtimes.h"
#include "action/store.h"
#include "base/oom.h"
#include "base/privileges.h"
#include "http/passed.h"

struct config;
struct err;
struct service;

/* Connections reserved for the operator, in addition to those of clients. */
#define SETUP_ADMIN_CONNECTIONS 16

/* Before use, set `config` and `n_cpus` and zero the rest. */
struct setup {
    const struct config *config; /* borrowed */
    unsigned n_cpus;             /* processors that we may use, from cgroup_usable_cpus() */
    struct actionloop actionloop;
    struct privileges privileges;
    struct runtimes runtimes;
    struct store store;
    struct oom oom;
    struct passed passed;
    unsigned connections_max; /* most connections of clients, without the operator's */
};

/* How many microseconds the loop polls for events before it sleeps (base/busy_poll.h). 0: it sleeps
 * at once, because on a single processor polling would keep the action from running. */
uint64_t setup_busy_poll_us(const struct setup *setup);
/* Raise our descriptor limit as far as possible, and set connections_max: clients may use what the
 * workers and the operator leave. Children keep the limit with which we were started. */
void setup_descriptors(struct setup *setup);

/* The size of each pipe of a worker in bytes, chosen so that the pipes of all workers together stay
 * within a share of the kernel's limit per user. soft_limit_file: the file with that limit, in
 * pages. */
int setup_pipe_bytes(const char *soft_limit_file, unsigned n_workers);

/* Open the proxy's own log, and set its level and format. 0, or -1. */
int setup_log(const struct config *config, struct err *err);

/* Set up what child processes get: our environment, which they inherit, and the user that they run
 * as. Reads /etc/passwd and /etc/group. program: argv[0]. 0, or -1 with err. */
int setup_children(struct setup *setup, const char *program, struct err *err);

/* Load the runtimes, create the folder for actions and fill the service's options. is_temporary:
 * use a folder that is deleted at the end, whatever the settings say. 0, or -1. */
int setup_service(struct setup *setup, struct service *service, bool is_temporary, struct err *err);

/* Whether this program runs where it was built; else it is installed, or was copied elsewhere. */
bool setup_is_in_build(void);

/* Load only the runtimes, for a command that starts no action. 0, or -1. */
int setup_runtimes(struct setup *setup, struct err *err);

void setup_done(struct setup *setup);

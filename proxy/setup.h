#pragma once

/*
 * setup - apply settings, environment and image to the modules: which runtimes exist, where actions
 * are unpacked, which user they run as, how they are served.
 */

#include <stdbool.h>

#include "action/actionloop.h"
#include "action/runtimes.h"
#include "action/store.h"
#include "base/privileges.h"
#include "http/passed.h"
#include "worker/oom.h"

struct config;
struct err;
struct service;

/* Connections reserved for the operator, beside the platform's. */
#define SETUP_ADMIN_CONNECTIONS 16

/* Set `config` and `n_cpus` and zero the rest before use. */
struct setup {
    const struct config *config; /* borrowed */
    unsigned n_cpus;             /* processors that we may use, from cpus_usable() */
    struct actionloop actionloop;
    struct privileges privileges;
    struct runtimes runtimes;
    struct store store;
    struct oom oom;
    struct passed passed;
    unsigned connections_max; /* most connections of clients, without the operator's */
};

/* How long to look for events before sleeping (base/busy_poll.h). 0: never, as with one processor,
 * where looking would keep the action from running. */
uint64_t setup_busy_poll_us(const struct setup *setup);
/* Raise our descriptor limit as far as possible and share it out: workers and the operator first,
 * clients get the rest. Children keep the limit we were started with. */
void setup_descriptors(struct setup *setup);

/* The size of a worker's pipes, so that all of them stay within a share of the kernel's per-user
 * limit. soft_limit_file: the file with that limit, in pages. */
int setup_pipe_bytes(const char *soft_limit_file, unsigned n_workers);

/* Open the proxy's own log at its level. 0, or -1. */
int setup_log(const struct config *config, struct err *err);

/* Prepare the children's environment and user. Reads /etc/passwd and /etc/group, writes nothing.
 * program: argv[0]. 0, or -1. */
int setup_children(struct setup *setup, const char *program, struct err *err);

/* Load the runtimes, create the folder for actions and fill the service's options. is_temporary:
 * keep nothing that is unpacked, whatever the settings say. 0, or -1. */
int setup_service(struct setup *setup, struct service *service, bool is_temporary, struct err *err);

/* Only load the runtimes, for commands that start no action. 0, or -1. */
int setup_runtimes(struct setup *setup, struct err *err);

void setup_done(struct setup *setup);

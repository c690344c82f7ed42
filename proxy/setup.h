#pragma once

/*
 * setup - derive the modules' options from settings, environment and image: which runtimes exist,
 * where actions are unpacked, which user they run as, how they are served.
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

/* Connections reserved for the operator, in addition to those of clients. */
#define SETUP_ADMIN_CONNECTIONS 16

/* Before use, set `config` and `n_cpus` and zero the rest. */
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

/* How many microseconds to look for events before sleeping (base/busy_poll.h). 0: do not look. With
 * one processor that would keep the action from running. */
uint64_t setup_busy_poll_us(const struct setup *setup);
/* Raise our descriptor limit as far as possible and share it out: workers and the operator first,
 * clients get the rest. Children keep the limit we were started with. */
void setup_descriptors(struct setup *setup);

/* The size of each pipe of a worker, chosen so that the pipes of all workers together stay within a
 * share of the kernel's per-user limit. soft_limit_file: the file with that limit, in pages. */
int setup_pipe_bytes(const char *soft_limit_file, unsigned n_workers);

/* Open the proxy's own log, and set its level and format. 0, or -1. */
int setup_log(const struct config *config, struct err *err);

/* Prepare the children's environment and user. Reads /etc/passwd and /etc/group, writes nothing.
 * program: argv[0]. 0, or -1. */
int setup_children(struct setup *setup, const char *program, struct err *err);

/* Load the runtimes, create the folder for actions and fill the service's options. is_temporary:
 * use a folder that is deleted at the end, whatever the settings say. 0, or -1. */
int setup_service(struct setup *setup, struct service *service, bool is_temporary, struct err *err);

/* Whether this program runs where it was built; else it is installed, or was copied elsewhere. */
bool setup_is_in_build(void);

/* Only load the runtimes, for commands that start no action. 0, or -1. */
int setup_runtimes(struct setup *setup, struct err *err);

void setup_done(struct setup *setup);

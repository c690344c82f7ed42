#pragma once

/*
 * setup - what settings, environment and image mean for the parts of the program: which runtimes
 * there are, where actions are unpacked, as whom they run, and how they are served.
 */

#include <stdbool.h>

#include "action/actionloop.h"
#include "action/runtimes.h"
#include "action/store.h"
#include "base/privileges.h"
#include "worker/oom.h"

struct config;
struct err;
struct service;

/* Connections of the operator, beside those of the platform. */
#define SETUP_ADMIN_CONNECTIONS 16

/* Zeroed but for `config` before use. */

struct setup {
    const struct config *config; /* borrowed */
    struct actionloop actionloop;
    struct privileges privileges;
    struct runtimes runtimes;
    struct store store;
    struct oom oom;
    unsigned connections_max; /* of the platform */
};

/* Raise our limit on descriptors as far as it goes, and share them out: to workers and the operator
 * first, the rest to clients. The children keep the limit that we were started with. */
void setup_descriptors(struct setup *setup);

/* How large a worker's pipes may be, so that all of them stay within a part of what the kernel lets
 * one user have. soft_limit_file: where that is told, in pages. */
int setup_pipe_bytes(const char *soft_limit_file, unsigned n_workers);

/* Where the proxy's own log goes, and how much of it. 0, or -1. */
int setup_log(const struct config *config, struct err *err);

/* The environment of the children, and as whom they run. Nothing is read or made on disk but the
 * lists of users. program: argv[0]. 0, or -1. */
int setup_children(struct setup *setup, const char *program, struct err *err);

/* Load the runtimes, make the folder for actions, and fill the service's options with all that.
 * is_temporary: nothing that is unpacked is to stay, whatever the settings say. 0, or -1. */
int setup_service(struct setup *setup, struct service *service, bool is_temporary, struct err *err);

void setup_done(struct setup *setup);

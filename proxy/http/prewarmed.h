#pragma once

/*
 * prewarmed - a launcher that is started before there is an action, so that the interpreter's start
 * is not part of the cold start.
 *
 * The launcher waits for one line that names the action (runtime/README.md). The worker that takes
 * the launcher over writes this line. If the launcher ends while it waits, no action is lost: the
 * worker then starts a launcher of its own.
 */

#include <stdbool.h>

#include "base/loop.h"
#include "worker/spawn.h"

struct exec_spec;

struct prewarmed {
    struct loop *loop;      /* borrowed */
    struct spawned spawned; /* the waiting launcher; pid 0: there is none */
    struct loop_child child;
};

void prewarmed_init(struct prewarmed *prewarmed, struct loop *loop);
/* Start a launcher, unless one is waiting already. spec: taken over in all cases. false: a launcher
 * could not be started. */
bool prewarmed_start(struct prewarmed *prewarmed, struct exec_spec *spec, int pipe_bytes);
/* Hand the waiting launcher and its descriptors to the caller. false: there is none. */
bool prewarmed_take(struct prewarmed *prewarmed, struct spawned *spawned);
/* Kill the launcher if it is waiting. */
void prewarmed_done(struct prewarmed *prewarmed);

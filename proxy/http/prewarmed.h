#pragma once

/*
 * prewarmed - a launcher that is started before there is an action, so that the interpreter's start
 * is not part of the cold start.
 *
 * It waits for one line that names the action (runtime/README.md), which the worker that takes it
 * over writes. If it ends while it waits, it is forgotten: an action can always be started
 * normally.
 */

#include <stdbool.h>

#include "base/loop.h"
#include "worker/spawn.h"

struct exec_spec;

struct prewarmed {
    struct loop *loop;      /* borrowed */
    struct spawned spawned; /* pid 0: there is none */
    struct loop_child child;
};

void prewarmed_init(struct prewarmed *prewarmed, struct loop *loop);
/* Start one, unless one is waiting. spec: taken over, also on failure. false: not started. */
bool prewarmed_start(struct prewarmed *prewarmed, struct exec_spec *spec, int pipe_bytes);
/* Hand it over with its descriptors. false: there is none. */
bool prewarmed_take(struct prewarmed *prewarmed, struct spawned *spawned);
/* Kill what waits. */
void prewarmed_done(struct prewarmed *prewarmed);

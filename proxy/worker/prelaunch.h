#pragma once

/*
 * prelaunch - a launcher that was started before there is an action, so that the interpreter's
 * start is not part of the cold start.
 *
 * It waits for one line that names the action; see runtime/README.md. Whoever takes it over writes
 * that line. One that ends while it waits is forgotten: the normal start is always there.
 */

#include <stdbool.h>

#include "base/loop.h"
#include "worker/spawn.h"

struct launch;

struct prelaunch {
    struct loop *loop;      /* borrowed */
    struct spawned spawned; /* pid 0: there is none */
    struct loop_child child;
};

void prelaunch_init(struct prelaunch *prelaunch, struct loop *loop);
/* Start one, unless one waits already. launch is used up, also on failure. false: not started. */
bool prelaunch_start(struct prelaunch *prelaunch, struct launch *launch, int pipe_bytes);
/* Hand it over with its descriptors. false: there is none. */
bool prelaunch_take(struct prelaunch *prelaunch, struct spawned *spawned);
/* Kill what waits. */
void prelaunch_done(struct prelaunch *prelaunch);

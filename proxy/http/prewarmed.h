#pragma once

/*
 * prewarmed - a launcher that is started before there is an action, so that an /init does not wait
 * for the start of an interpreter.
 *
 * The launcher waits for one line that names the action (runtime/README.md). The worker that takes
 * the launcher over writes this line. If the launcher ends while it waits, no action is lost:
 * the worker then starts another launcher.
 */

#include <stdbool.h>

#include "base/loop.h"
#include "worker/spawn.h"

struct buf;
struct exec_spec;
struct runtime;

struct prewarmed {
    struct loop *loop;             /* borrowed */
    struct spawned spawned;        /* the waiting launcher; pid 0: there is none */
    const struct runtime *runtime; /* borrowed; the waiting launcher's runtime */
    struct loop_child child;
};

/* What a launcher is told of the action; all borrowed. */
struct prewarmed_told {
    const char *dir;  /* the action's folder */
    const char *main; /* the function to call */
    char *const *env; /* NULL-terminated strings NAME=value; NULL: none */
};

void prewarmed_init(struct prewarmed *prewarmed, struct loop *loop);
/* Start a launcher of this runtime, unless one is waiting already. runtime: borrowed as long as the
 * launcher waits. spec: taken over in any case. false: the launcher could not be started. */
bool prewarmed_start(struct prewarmed *prewarmed, const struct runtime *runtime,
                     struct exec_spec *spec, int pipe_bytes);
/* Hand the waiting launcher and its descriptors to the caller. false: there is none, or it is
 * another runtime's. */
bool prewarmed_take(struct prewarmed *prewarmed, const struct runtime *runtime,
                    struct spawned *spawned);
/* Kill the launcher if it is waiting. */
void prewarmed_done(struct prewarmed *prewarmed);

/* Append the JSON line that tells a launcher its action (runtime/README.md, sections Prelaunch and
 * Fork). forks: the launcher becomes a zygote. */
void prewarmed_add_line(struct buf *line, const struct prewarmed_told *told, bool forks);
/* Prepare for the case that exec() refuses to start `spec`: the action's environment variables or
 * its function's name may be too long, or its PATH may lead nowhere. Set spec->instead to start a
 * launcher without these, and spec->instead_line to the line that tells the launcher its action.
 * Does nothing if the runtime has no launcher that reads such a line. base_env: the proxy's own
 * environment. */
void prewarmed_set_instead(const struct runtime *runtime, char *const *base_env,
                           const struct prewarmed_told *told, struct exec_spec *spec);

#include "worker/prelaunch.h"

#include <signal.h>
#include <string.h>

#include "base/err.h"
#include "base/kin.h"
#include "base/launch.h"
#include "base/log.h"

static void forget(struct prelaunch *prelaunch)
{
    spawned_close(&prelaunch->spawned);
    prelaunch->spawned.pid = 0;
}

static void on_exit_status(struct loop_child *child, int wait_status)
{
    struct prelaunch *prelaunch = container_of(child, struct prelaunch, child);

    log_info("prelaunch.exit", log_int("pid", child->pid), LOG_EXIT(wait_status));
    kin_end(prelaunch->loop, prelaunch->spawned.mark);
    forget(prelaunch);
}

void prelaunch_init(struct prelaunch *prelaunch, struct loop *loop)
{
    memset(prelaunch, 0, sizeof(*prelaunch));
    prelaunch->loop = loop;
    prelaunch->spawned = SPAWNED_NONE;
    loop_child_init(&prelaunch->child);
}

static bool start(struct prelaunch *prelaunch, const struct launch *launch, int pipe_bytes)
{
    struct err err;

    if (spawn_start(launch, pipe_bytes, &prelaunch->spawned, &err) < 0) {
        /* No failure of ours: most containers never see code for this runtime. */
        log_info("prelaunch.start", log_text("failed", err.text));
        return false;
    }
    log_info("prelaunch.start", log_int("pid", prelaunch->spawned.pid),
             log_text("program", launch->argv[0]));
    loop_child_watch(prelaunch->loop, &prelaunch->child, prelaunch->spawned.pid, on_exit_status);
    return true;
}

bool prelaunch_start(struct prelaunch *prelaunch, struct launch *launch, int pipe_bytes)
{
    bool waits = prelaunch->spawned.pid != 0 || start(prelaunch, launch, pipe_bytes);

    launch_done(launch); /* it holds the whole environment, and nobody asks for it again */
    return waits;
}

bool prelaunch_take(struct prelaunch *prelaunch, struct spawned *spawned)
{
    if (prelaunch->spawned.pid == 0)
        return false;
    loop_child_forget(&prelaunch->child);
    *spawned = prelaunch->spawned;
    prelaunch_init(prelaunch, prelaunch->loop);
    return true;
}

void prelaunch_done(struct prelaunch *prelaunch)
{
    if (prelaunch->spawned.pid == 0)
        return;
    spawn_kill(prelaunch->spawned.pid, SIGKILL);
    loop_child_forget(&prelaunch->child);
    kin_end(prelaunch->loop, prelaunch->spawned.mark);
    forget(prelaunch);
}

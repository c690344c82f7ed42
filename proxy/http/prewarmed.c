#include "http/prewarmed.h"

#include <assert.h>
#include <signal.h>
#include <string.h>

#include "action/runtimes.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/exec_spec.h"
#include "base/json.h"
#include "base/kin.h"
#include "base/log.h"

static void forget(struct prewarmed *prewarmed)
{
    spawned_close(&prewarmed->spawned);
    prewarmed->spawned.pid = 0;
}

static void on_exit_status(struct loop_child *child, int wait_status)
{
    struct prewarmed *prewarmed = container_of(child, struct prewarmed, child);

    assert(child->pid == prewarmed->spawned.pid);
    log_info("prelaunch.exit", log_int("pid", child->pid), LOG_EXIT(wait_status));
    kin_end(prewarmed->loop, prewarmed->spawned.mark);
    forget(prewarmed);
}

void prewarmed_init(struct prewarmed *prewarmed, struct loop *loop)
{
    memset(prewarmed, 0, sizeof(*prewarmed));
    prewarmed->loop = loop;
    prewarmed->spawned = SPAWNED_NONE;
    loop_child_init(&prewarmed->child);
}

static bool start(struct prewarmed *prewarmed, const struct runtime *runtime,
                  const struct exec_spec *spec, int pipe_bytes)
{
    struct err err;

    if (spawn_start(spec, pipe_bytes, &prewarmed->spawned, &err) < 0) {
        /* Logged as information only: most containers never get code for this runtime. */
        log_info("prelaunch.start", log_text("failed", err.text));
        return false;
    }
    log_info("prelaunch.start", log_int("pid", prewarmed->spawned.pid),
             log_text("program", spec->argv[0]));
    assert(prewarmed->spawned.pid > 0);
    prewarmed->runtime = runtime;
    loop_child_watch(prewarmed->loop, &prewarmed->child, prewarmed->spawned.pid, on_exit_status);
    return true;
}

bool prewarmed_start(struct prewarmed *prewarmed, const struct runtime *runtime,
                     struct exec_spec *spec, int pipe_bytes)
{
    bool is_waiting = prewarmed->spawned.pid != 0 || start(prewarmed, runtime, spec, pipe_bytes);

    exec_spec_done(spec); /* a waiting launcher does not need spec's copy of the environment */
    return is_waiting;
}

bool prewarmed_take(struct prewarmed *prewarmed, const struct runtime *runtime,
                    struct spawned *spawned)
{
    if (prewarmed->spawned.pid == 0 || prewarmed->runtime != runtime)
        return false;
    loop_child_forget(&prewarmed->child);
    assert(prewarmed->child.pid == prewarmed->spawned.pid);
    *spawned = prewarmed->spawned;
    prewarmed_init(prewarmed, prewarmed->loop);
    return true;
}

void prewarmed_done(struct prewarmed *prewarmed)
{
    if (prewarmed->spawned.pid == 0)
        return;
    spawn_kill(prewarmed->spawned.pid, SIGKILL);
    loop_child_forget(&prewarmed->child);
    kin_end(prewarmed->loop, prewarmed->spawned.mark);
    forget(prewarmed);
}

void prewarmed_add_line(struct buf *line, const struct prewarmed_told *told, bool forks)
{
    const char *comma = "";

    buf_add_text(line, "{\"init\":{\"path\":");
    json_quote(line, told->dir, strlen(told->dir));
    buf_add_text(line, ",\"main\":");
    json_quote(line, told->main, strlen(told->main));
    buf_add_text(line, ",\"env\":{");
    for (char *const *env = told->env; env != NULL && *env != NULL; env++, comma = ",") {
        size_t n_name = strcspn(*env, "=");

        assert((*env)[n_name] == '=');
        buf_add_text(line, comma);
        json_quote(line, *env, n_name);
        buf_add_text(line, ":");
        json_quote(line, *env + n_name + 1, strlen(*env + n_name + 1));
    }
    buf_add_text(line, forks ? "},\"forks\":true}}\n" : "}}}\n");
}

void prewarmed_set_instead(const struct runtime *runtime, char *const *base_env,
                           const struct prewarmed_told *told, struct exec_spec *spec)
{
    struct exec_spec *instead = xcalloc(1, sizeof(*instead));
    auto_buf struct buf line = {0};

    assert(spec->instead == NULL);
    if (!runtime_prewarm(runtime, false, base_env, instead)) {
        free(instead);
        return;
    }
    instead->privileges = spec->privileges;
    prewarmed_add_line(&line, told, false);
    spec->instead = instead;
    spec->instead_line = xstrndup(buf_at(&line), buf_len(&line));
}

#include "worker/tally.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/launch.h"
#include "base/log.h"

static const char *const state_names[WORKER_STATES] = {
    [WORKER_DOWN] = "down",
    [WORKER_STARTING] = "starting",
    [WORKER_READY] = "ready",
    [WORKER_STOPPING] = "stopping",
};

static const char *const death_names[N_DEATHS] = {
    [DEATH_EXITED] = "exited",     [DEATH_SIGNALLED] = "signalled",
    [DEATH_DEADLINE] = "deadline", [DEATH_START_TIMEOUT] = "start_timeout",
    [DEATH_REFUSED] = "refused",   [DEATH_HUNG] = "hung",
    [DEATH_STOPPED] = "stopped",   [DEATH_UNSPAWNED] = "unspawned",
};

const char *death_name(enum death death)
{
    return death_names[death];
}

const char *worker_state_name(enum worker_state state)
{
    return state_names[state];
}

/* A process that ends closes its answers first, which looks like hanging until the status is here:
 * it hung only if our signal was what ended it. */
static bool is_ended_by_us(const struct worker *w)
{
    if (w->state != WORKER_STOPPING || !WIFSIGNALED(w->wait_status))
        return false;
    return WTERMSIG(w->wait_status) == SIGTERM ||
           (WTERMSIG(w->wait_status) == SIGKILL && w->ending.signo == 0);
}

enum death tally_cause(const struct worker *w)
{
    if (w->unwanted || w->retired)
        return DEATH_STOPPED;
    if (w->late)
        return DEATH_DEADLINE;
    if (w->start_err.kind == ERR_LIMIT)
        return DEATH_START_TIMEOUT;
    if (w->refused)
        return DEATH_REFUSED;
    if (w->hung && is_ended_by_us(w))
        return DEATH_HUNG;
    return WIFSIGNALED(w->wait_status) ? DEATH_SIGNALLED : DEATH_EXITED;
}

static void count_start(struct worker *w)
{
    w->opts.tally->n_starts++;
    w->opts.tally->n_restarts += w->was_started;
    w->was_started = true;
}

void tally_started(struct worker *w)
{
    log_info("worker.start", log_int("pid", w->pid), log_text("program", w->launch->argv[0]));
    count_start(w);
}

void tally_unspawned(struct worker *w, const struct err *err)
{
    log_info("worker.start", log_text("failed", err->text));
    count_start(w);
    w->opts.tally->n_deaths[DEATH_UNSPAWNED]++;
}

void tally_ended(const struct worker *w)
{
    enum death cause = tally_cause(w);

    w->opts.tally->n_deaths[cause]++;
    log_info("worker.exit", log_int("pid", w->pid), log_text("cause", death_names[cause]),
             LOG_EXIT(w->wait_status),
             log_count("after_ms", loop_now_ms(w->loop) - w->started_at_ms),
             log_text("state", state_names[w->state]));
}

#include "worker/tally.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/exec_spec.h"
#include "base/log.h"

static const char *const state_names[WORKER_STATES] = {
    [WORKER_DOWN] = "down",
    [WORKER_STARTING] = "starting",
    [WORKER_READY] = "ready",
    [WORKER_STOPPING] = "stopping",
};

static const char *const cause_names[N_CAUSES] = {
    [CAUSE_EXITED] = "exited",
    [CAUSE_SIGNALLED] = "signalled",
    [CAUSE_DEADLINE] = "deadline",
    [CAUSE_START_TIMEOUT] = "start_timeout",
    [CAUSE_REFUSED] = "refused",
    [CAUSE_HUNG] = "hung",
    [CAUSE_STOPPED] = "stopped",
    [CAUSE_MEMORY] = "memory",
    [CAUSE_CPU] = "cpu",
    [CAUSE_FILE_SIZE] = "file_size",
    [CAUSE_UNSPAWNED] = "unspawned",
};

const char *cause_name(enum cause cause)
{
    return cause_names[cause];
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

enum cause tally_cause(const struct worker *w)
{
    if (w->unwanted || w->retired)
        return CAUSE_STOPPED;
    if (w->late)
        return CAUSE_DEADLINE;
    if (w->start_err.kind == ERR_LIMIT)
        return CAUSE_START_TIMEOUT;
    if (w->refused)
        return CAUSE_REFUSED;
    if (w->hung && is_ended_by_us(w))
        return CAUSE_HUNG;
    switch (w->death) {
    case DEATH_MEMORY:
        return CAUSE_MEMORY;
    case DEATH_CPU:
        return CAUSE_CPU;
    case DEATH_FILE_SIZE:
        return CAUSE_FILE_SIZE;
    default:
        return WIFSIGNALED(w->wait_status) ? CAUSE_SIGNALLED : CAUSE_EXITED;
    }
}

static void count_start(struct worker *w)
{
    w->opts.tally->n_starts++;
    w->opts.tally->n_restarts += w->was_started;
    w->was_started = true;
}

void tally_started(struct worker *w)
{
    log_info("worker.start", log_int("pid", w->pid), log_text("program", w->spec->argv[0]));
    count_start(w);
}

void tally_unspawned(struct worker *w, const struct err *err)
{
    log_info("worker.start", log_text("failed", err->text));
    count_start(w);
    w->opts.tally->n_deaths[CAUSE_UNSPAWNED]++;
}

void tally_ended(const struct worker *w)
{
    enum cause cause = tally_cause(w);

    w->opts.tally->n_deaths[cause]++;
    log_info("worker.exit", log_int("pid", w->pid), log_text("cause", cause_names[cause]),
             LOG_EXIT(w->wait_status),
             log_count("after_ms", loop_now_ms(w->loop) - w->started_at_ms),
             log_text("state", state_names[w->state]));
}

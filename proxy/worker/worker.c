#include "worker/worker.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/exec_spec.h"
#include "base/kin.h"
#include "base/log.h"
#include "worker/give.h"
#include "worker/hear.h"
#include "worker/spawn.h"
#include "worker/tally.h"

#define START_LOOK_US 200 /* time between two checks whether a starting process waits for input */
#define DYING_MS      100 /* longest wait for SIGCHLD after the process has closed its pipes */
/* a process that is never idle counts as idle after this many settle_ms of processor time */
#define SETTLE_PATIENCE 10

static const struct {
    const char *name;
    unsigned may_follow; /* BIT() of each state that may follow */
} states[WORKER_STATES] = {
    [WORKER_DOWN] = {"down", BIT(WORKER_STARTING)},
    [WORKER_STARTING] = {"starting", BIT(WORKER_READY) | BIT(WORKER_STOPPING) | BIT(WORKER_DOWN)},
    [WORKER_READY] = {"ready", BIT(WORKER_STOPPING) | BIT(WORKER_DOWN)},
    [WORKER_STOPPING] = {"stopping", BIT(WORKER_DOWN)},
};

const char *worker_state_name(enum worker_state state)
{
    assert(state < WORKER_STATES);
    return states[state].name;
}

static void worker_step(struct worker *w);

static void worker_check(const struct worker *w)
{
    assert((w->pid == 0) == (w->state == WORKER_DOWN));
    assert(worker_n_jobs(w) == 0 || w->state == WORKER_READY || w->state == WORKER_STOPPING);
    assert(!w->exited || w->state != WORKER_DOWN);
}

static void worker_move(struct worker *w, enum worker_state next)
{
    assert(states[w->state].may_follow & BIT(next));
    w->state = next;
    if (next == WORKER_DOWN)
        w->pid = 0;
    worker_check(w);
}

static struct log_field log_age(const struct worker *w)
{
    return log_count("after_ms", loop_now_ms(w->loop) - w->started_at_ms);
}

/* ---- handlers: write down a fact, post the step ---- */

static void on_exit_status(struct loop_child *child, int wait_status)
{
    struct worker *w = container_of(child, struct worker, child);

    assert(w->pid > 0);
    assert(!w->exited);
    w->exited = true;
    w->wait_status = wait_status;
    loop_post(w->loop, &w->step);
}

static void on_timer(struct loop_timer *timer)
{
    worker_step(container_of(timer, struct worker, timer));
}

static void on_step(struct loop_post *post)
{
    worker_step(container_of(post, struct worker, step));
}

/* ---- the end of a process ---- */

/* Why the process ended: judged by its wait status, and by why we ended it, if we did. */
static enum death find_death(struct worker *w)
{
    enum death death =
        death_of(w->wait_status, w->told, w->ending.signo == 0, w->opts.oom, loop_now_ms(w->loop));

    if (w->told != DEATH_NONE || death_text(death) != NULL)
        return death;
    if (w->unwanted || w->retired)
        return DEATH_STOPPED;
    return w->session.refused ? DEATH_REFUSED : death;
}

/* Write the reason of a JOB_BYSTANDER job that had begun. why: why its process was killed. */
static void say_killed(const char *why, char reason[], size_t size)
{
    (void)snprintf(reason, size, "the activation had begun when its process was killed: %s", why);
}

/* End the jobs that the process had begun. */
static void end_jobs(struct worker *w)
{
    const char *limit = death_text(w->death);
    char reason[sizeof(((struct job *)NULL)->reason)];

    if (limit != NULL) {
        hear_last_words(&w->session, w->wait_status, JOB_EXHAUSTED, limit);
    } else if (w->killed_for != NULL) {
        say_killed(w->killed_for, reason, sizeof(reason));
        hear_last_words(&w->session, w->wait_status, JOB_BYSTANDER, reason);
    } else if (w->unwanted) {
        hear_last_words(&w->session, w->wait_status, JOB_STOPPED, "");
    } else {
        death_say_how(w->wait_status, w->spec->answers == ANSWERS_AUTO, reason, sizeof(reason));
        hear_last_words(&w->session, w->wait_status, JOB_DIED, reason);
    }
}

static void note_refusal(struct worker *w)
{
    if (w->session.refused)
        w->start_err = w->session.refusal;
}

static void bury(struct worker *w)
{
    assert(w->pid > 0 && w->state != WORKER_DOWN);
    spawn_kill_group(w->pid, SIGKILL); /* kill what is left of its process group */
    kin_end(w->loop, w->mark);         /* kill descendants that have left the group */
    w->death = find_death(w);
    end_jobs(w);
    note_refusal(w);
    tally_died(w->opts.tally, w->death);
    log_info("worker.exit", log_int("pid", w->pid), log_text("cause", death_name(w->death)),
             LOG_EXIT(w->wait_status), log_age(w), log_text("state", states[w->state].name));
    session_close(&w->session);
    loop_timer_clear(&w->timer);
    worker_move(w, WORKER_DOWN);
    loop_post(w->loop, &w->changed);
}

/* A process is ended in steps: we close its input, which a launcher takes as a request to exit,
 * then send SIGTERM, then SIGKILL. Set the next step of step_ending(): send `signo` after kill_ms.
 * signo 0: SIGKILL was sent; if the process still exists after KIN_UNTRACE_MS, kill its tracer. */
static void send_next(struct worker *w, int signo)
{
    assert(signo == 0 || signo == SIGTERM || signo == SIGKILL);
    w->ending.signo = signo;
    w->ending.at_ms = loop_now_ms(w->loop) + (signo != 0 ? w->opts.kill_ms : KIN_UNTRACE_MS);
}

static void kill_now(struct worker *w, int signo)
{
    assert(signo == SIGTERM || signo == SIGKILL);
    spawn_kill(w->pid, signo);
    send_next(w, signo == SIGTERM ? SIGKILL : 0);
}

/* If the next step to end the process is due, take it. After worker_stop(), SIGTERM is due now. */
static void step_ending(struct worker *w)
{
    assert(w->state == WORKER_STOPPING);
    if (w->ending.signo != 0 &&
        ((w->ending.signo == SIGTERM && w->unwanted) || loop_now_ms(w->loop) >= w->ending.at_ms))
        kill_now(w, w->ending.signo);
    if (w->ending.signo == 0 && loop_now_ms(w->loop) >= w->ending.at_ms) {
        kin_untrace(w->pid);
        w->ending.at_ms = loop_now_ms(w->loop) + KIN_UNTRACE_MS;
    }
}

/* End the process, by SIGTERM. If it has read lines that it has not begun, it gets SIGKILL at once:
 * after SIGTERM it could begin them. */
static void stop_now(struct worker *w, enum death why, enum job_outcome outcome)
{
    const char *killed_for = outcome == JOB_LATE        ? "the one before exceeded its time limit"
                             : outcome == JOB_BYSTANDER ? "another one exceeded its time limit"
                                                        : "the action had to end";
    char reason[sizeof(((struct job *)NULL)->reason)];
    bool holds;

    assert(why != DEATH_NONE && outcome != JOB_PENDING);
    if (outcome == JOB_DIED && w->unwanted)
        outcome = JOB_STOPPED;
    say_killed(killed_for, reason, sizeof(reason));
    holds = hear_dismiss(&w->session, outcome, outcome == JOB_BYSTANDER ? reason : "");
    log_info("worker.stop", log_int("pid", w->pid), log_age(w), log_text("why", death_name(why)),
             log_count("held", worker_n_jobs(w)));
    w->told = why;
    if (holds)
        w->killed_for = killed_for;
    kill_now(w, holds ? SIGKILL : SIGTERM);
    worker_move(w, WORKER_STOPPING);
    loop_post(w->loop, &w->changed);
}

/* End an idle process by closing its input: it may exit by itself then. */
static void close_input(struct worker *w)
{
    hear_close_input(&w->session);
    w->told = DEATH_STOPPED;
    send_next(w, SIGTERM);
    worker_move(w, WORKER_STOPPING);
}

/* ---- deciding ---- */

static bool is_late(const struct worker *w, uint64_t at_ms)
{
    return loop_now_ms(w->loop) >= at_ms;
}

/* After a failed start, set start_err from the ready line or, if still unset, from w->death. */
static void start_failed(struct worker *w)
{
    note_refusal(w);
    if (w->start_err.kind == ERR_NONE)
        (void)death_explain(w->death, w->spec->reports_ready, &w->start_err);
    if (w->death != DEATH_NONE && w->start_err.kind == ERR_ACTION)
        death_say_how(w->wait_status, w->spec->answers != ANSWERS_STDOUT, w->start_err.detail,
                      sizeof(w->start_err.detail));
    assert(w->start_err.kind != ERR_NONE);
}

/* Whether to wait for SIGCHLD: the process has closed its pipes, and its exit status will tell why.
 * Wait only briefly, since it may have closed its pipes and go on running. */
static bool is_dying(struct worker *w)
{
    if (!w->session.ended)
        return false;
    if (w->dying_until_ms == 0)
        w->dying_until_ms = loop_now_ms(w->loop) + DYING_MS;
    return !w->session.refused && !w->unwanted && !is_late(w, w->dying_until_ms);
}

/* The cause to record when we end a process that cannot or need not serve. */
static enum death why_stop(const struct worker *w)
{
    if (w->unwanted || w->retired)
        return DEATH_STOPPED;
    return w->session.refused ? DEATH_REFUSED : DEATH_HUNG;
}

/* A process without a ready line counts as ready when it waits for input, or when it has been idle
 * for settle_ms. If it never goes idle, settle_ms begins once it has used SETTLE_PATIENCE *
 * settle_ms of processor time, which may take much longer than that on a loaded machine. */
static void settle(struct worker *w)
{
    uint64_t wait_ms = w->session.announces_late ? w->opts.start_ms : w->opts.settle_ms;

    assert(!w->spec->reports_ready);
    if (w->session.ready || w->session.refused)
        return;
    if (hear_start(&w->session) == STDIN_PROBE_RUNS &&
        kin_used_ms(w->pid) < SETTLE_PATIENCE * w->opts.settle_ms)
        w->idle_at_ms = 0;
    else if (w->idle_at_ms == 0) /* count from now: we may have been paused since the last check */
        w->idle_at_ms = loop_now_ms(w->loop);
    if (w->idle_at_ms > 0 && is_late(w, w->idle_at_ms + wait_ms))
        session_assume_ready(&w->session);
}

static void step_starting(struct worker *w)
{
    uint64_t late_at_ms = w->started_at_ms + w->opts.start_ms;

    give_greeting_rest(&w->session);
    if (is_late(w, late_at_ms) && !w->session.ended)
        hear_readable(&w->session); /* if the proxy was paused, the ready line may be unread */
    if (!w->spec->reports_ready)
        settle(w);
    if (is_dying(w)) {
        loop_timer_set(w->loop, &w->timer, w->dying_until_ms);
    } else if (session_is_lost(&w->session) || w->unwanted || w->retired) {
        if (session_is_lost(&w->session))
            start_failed(w);
        stop_now(w, why_stop(w), JOB_DIED);
    } else if (w->session.ready) {
        worker_move(w, WORKER_READY);
        log_info("worker.ready", log_int("pid", w->pid), log_age(w));
        loop_post(w->loop, &w->changed);
    } else if (is_late(w, late_at_ms)) {
        (void)err_set(&w->start_err, ERR_TIMEOUT, 0,
                      "the action was not ready within %llu ms (--init-timeout)",
                      (unsigned long long)w->opts.start_ms);
        stop_now(w, DEATH_START_TIMEOUT, JOB_DIED);
    } else {
        loop_timer_set(w->loop, &w->timer, late_at_ms);
        if (!w->spec->reports_ready)
            loop_timer_set_us(w->loop, &w->timer, loop_now_us(w->loop) + START_LOOK_US);
    }
}

/* Set the timer to the sooner of at_ms and at_us; UINT64_MAX: no such moment. */
static void set_timer(struct worker *w, uint64_t at_ms, uint64_t at_us)
{
    if (at_us < UINT64_MAX && at_us / 1000 < at_ms)
        loop_timer_set_us(w->loop, &w->timer, at_us);
    else if (at_ms < UINT64_MAX)
        loop_timer_set(w->loop, &w->timer, at_ms);
    else
        loop_timer_clear(&w->timer);
}

static void step_stopping(struct worker *w)
{
    uint64_t at_ms;

    hear_deadlines_of_dying(&w->session);
    step_ending(w);
    at_ms = w->ending.at_ms;
    if (worker_n_jobs(w) > 0 && w->session.window.soonest_ms < at_ms)
        at_ms = w->session.window.soonest_ms;
    set_timer(w, at_ms, UINT64_MAX);
}

static void step_ready(struct worker *w)
{
    struct session *session = &w->session;
    uint64_t again_us = UINT64_MAX;
    bool late, stopped, stuck;

    hear_resume(session);
    if (!session_is_lost(session) && !w->unwanted) {
        give_next(session);
        give_controls(session);
        again_us = give_question(session);
    }
    hear_warn_unread(session);
    late = hear_deadlines(session);
    stopped = give_health_check(session);
    stuck = hear_is_stuck(session);
    if (stopped || late || stuck || window_is_deserted(&session->window)) {
        bool hung = stopped || (stuck && session->asked_idle);

        stop_now(w, hung ? DEATH_HUNG : DEATH_DEADLINE,
                 late             ? JOB_LATE
                 : stuck && !hung ? JOB_BYSTANDER
                                  : JOB_DIED);
    } else if (is_dying(w)) {
        uint64_t at_ms = hear_next_look_ms(session);

        set_timer(w, at_ms < w->dying_until_ms ? at_ms : w->dying_until_ms, UINT64_MAX);
    } else if (session_is_lost(session) || w->unwanted) {
        hear_rest(session); /* take the answers that the process has written */
        stop_now(w, why_stop(w), JOB_DIED);
    } else if (w->retired && worker_n_jobs(w) == 0) {
        close_input(w);
    } else {
        set_timer(w, hear_next_look_ms(session), again_us);
    }
}

static void worker_step(struct worker *w)
{
    enum worker_state before;

    worker_check(w);
    do {
        before = w->state;
        if (w->exited && w->state != WORKER_DOWN) {
            enum worker_state died_in = w->state;

            w->exited = false;
            bury(w);
            if (died_in == WORKER_STARTING)
                start_failed(w);
            return;
        }
        switch (w->state) {
        case WORKER_DOWN:
            break;
        case WORKER_STARTING:
            step_starting(w);
            break;
        case WORKER_READY:
            step_ready(w);
            break;
        case WORKER_STOPPING:
            step_stopping(w);
            break;
        }
    } while (w->state != before);
    worker_check(w);
}

/* ---- for the owner ---- */

void worker_init(struct worker *w, struct loop *loop, const struct exec_spec *spec,
                 const struct worker_opts *opts, struct output *out, struct output *err,
                 loop_post_fn *on_changed)
{
    memset(w, 0, sizeof(*w));
    w->loop = loop;
    w->spec = spec;
    w->opts = *opts;
    loop_post_init(&w->changed, on_changed);
    loop_post_init(&w->step, on_step);
    loop_timer_init(&w->timer, on_timer);
    loop_child_init(&w->child);
    session_init(&w->session, loop, spec, &w->opts, out, err, &w->step, &w->changed);
}

void worker_done(struct worker *w)
{
    if (w->pid != 0) {
        if (!w->exited)
            spawn_kill(w->pid, SIGKILL);
        spawn_kill_group(w->pid, SIGKILL);
        kin_end(w->loop, w->mark);
    }
    loop_child_forget(&w->child);
    session_done(&w->session);
    loop_timer_clear(&w->timer);
    loop_post_cancel(&w->step);
    loop_post_cancel(&w->changed);
    w->pid = 0;
    w->state = WORKER_DOWN;
}

static void begin(struct worker *w, const struct spawned *spawned)
{
    w->exited = w->unwanted = w->retired = false;
    w->dying_until_ms = 0;
    w->told = w->death = DEATH_NONE;
    w->killed_for = NULL;
    w->start_err.kind = ERR_NONE;
    w->started_at_ms = loop_now_ms(w->loop);
    w->idle_at_ms = 0;
    w->pid = spawned->pid;
    w->mark = spawned->mark;
    worker_move(w, WORKER_STARTING);
    log_info("worker.start", log_int("pid", w->pid), log_text("program", w->spec->argv[0]));
    tally_started(w->opts.tally, w->was_started);
    w->was_started = true;
    loop_child_watch(w->loop, &w->child, spawned->pid, on_exit_status);
    hear_open(&w->session, spawned);
    loop_timer_set_us(w->loop, &w->timer, loop_now_us(w->loop) + START_LOOK_US);
}

void worker_fail_start(struct worker *w, const struct err *err)
{
    assert(w->state == WORKER_DOWN && err->kind != ERR_NONE);
    w->start_err = *err;
    loop_post(w->loop, &w->changed);
}

/* Record that no process could be started; this counts as a start and an end. */
static void spawn_failed(struct worker *w, struct err *err)
{
    log_info("worker.start", log_text("failed", err->text));
    tally_started(w->opts.tally, w->was_started);
    tally_died(w->opts.tally, DEATH_UNSPAWNED);
    w->was_started = true;
    /* Test suites compare "command exited". Keep other text if it may say what to install. */
    if (err->kind == ERR_ACTION && w->spec->shortfall == NULL)
        (void)snprintf(err->text, sizeof(err->text), "command exited");
    worker_fail_start(w, err);
}

/* If exec refused argv or env, start spec->instead and send it instead_line. false: not started. */
static bool start_instead(struct worker *w, struct err *err)
{
    bool refused = err->kind == ERR_ACTION && (err->os == E2BIG || err->os == ENOENT);
    struct spawned spawned;
    struct buf line = {0};

    if (w->spec->instead == NULL || !refused ||
        spawn_start(w->spec->instead, w->opts.pipe_bytes, &spawned, err) < 0)
        return false;
    buf_add_text(&line, w->spec->instead_line);
    worker_adopt(w, &spawned, &line);
    return true;
}

void worker_start(struct worker *w)
{
    struct spawned spawned;
    struct err err;

    assert(w->state == WORKER_DOWN);
    if (spawn_start(w->spec, w->opts.pipe_bytes, &spawned, &err) == 0)
        begin(w, &spawned);
    else if (!start_instead(w, &err))
        spawn_failed(w, &err);
}

void worker_adopt(struct worker *w, const struct spawned *spawned, struct buf *line)
{
    assert(w->state == WORKER_DOWN);
    begin(w, spawned);
    give_greeting(&w->session, line);
    loop_post(w->loop, &w->step);
}

unsigned worker_n_jobs(const struct worker *w)
{
    return w->session.window.n;
}

bool worker_is_ready(const struct worker *w)
{
    return w->state == WORKER_READY && !w->unwanted;
}

void worker_hand_over_input(struct worker *w, struct loop_watch *to)
{
    assert(worker_n_jobs(w) == 0);
    stdin_pipe_hand_over(&w->session.channel.in, to);
}

bool worker_got_line(const struct worker *w)
{
    return w->session.channel.in.got_line;
}

enum answers worker_answers(const struct worker *w)
{
    return channel_answers(&w->session.channel);
}

unsigned worker_room(const struct worker *w)
{
    return worker_is_ready(w) && !w->exited ? session_room(&w->session) : 0;
}

unsigned worker_batch(const struct worker *w)
{
    return pacing_batch(&w->session.pacing);
}

bool worker_is_stalled(const struct worker *w, uint64_t now_ns)
{
    return worker_n_jobs(w) > 0 && pacing_is_stalled(&w->session.pacing, now_ns);
}

bool worker_is_better(const struct worker *w, const struct worker *best, uint64_t now_ns)
{
    bool stalled = worker_is_stalled(w, now_ns);

    assert(w != best);
    /* Prefer a worker that is not stalled: jobs would wait behind the stalled activation. */
    if (best == NULL || stalled != worker_is_stalled(best, now_ns))
        return best == NULL || !stalled;
    return worker_n_jobs(w) < worker_n_jobs(best);
}

bool worker_has_light_work(const struct worker *w, uint64_t now_ns)
{
    return pacing_is_light(&w->session.pacing) && worker_is_ready(w) &&
           !session_is_lost(&w->session) && !worker_is_stalled(w, now_ns);
}

bool worker_is_soon_done(const struct worker *w, uint64_t now_ns)
{
    return worker_room(w) > 0 && pacing_is_soon_done(&w->session.pacing, worker_n_jobs(w)) &&
           !worker_is_stalled(w, now_ns);
}

void worker_give(struct worker *w, struct job *job)
{
    assert(worker_room(w) > 0);
    session_add(&w->session, job);
}

void worker_feed(struct worker *w)
{
    assert(worker_n_jobs(w) > 0);
    loop_post_cancel(&w->step);
    worker_step(w);
}

void worker_stop(struct worker *w)
{
    w->unwanted = true;
    loop_post(w->loop, &w->step);
}

void worker_retire(struct worker *w)
{
    assert(w->state != WORKER_DOWN);
    w->retired = true;
    loop_post(w->loop, &w->step);
}

#include "worker/worker.h"

#include <assert.h>
#include <signal.h>
#include <string.h>

#include "base/exec_spec.h"
#include "base/kin.h"
#include "base/log.h"
#include "worker/hear.h"
#include "worker/parts.h"
#include "worker/spawn.h"
#include "worker/tally.h"

#define START_LOOK_US 200  /* between two looks whether one that reports nothing waits for input */
#define TOMBSTONE_MS  1000 /* time for a job that was given up and cannot be taken back */
#define READS_MS      1000 /* time to read what it was asked to */
#define DYING_MS      100  /* from the end of its pipes to its own, as a rule microseconds */

#define NEVER_MS        (UINT64_MAX - 1) /* as JOB_BY_TURN is UINT64_MAX */
#define SETTLE_PATIENCE 10 /* times the settle time, for one that is seen to run and not wait */

#define BIT(n) (1u << (n))

/* BIT() of each state that may follow. */
static const unsigned next_states[WORKER_STATES] = {
    [WORKER_DOWN] = BIT(WORKER_STARTING),
    [WORKER_STARTING] = BIT(WORKER_READY) | BIT(WORKER_STOPPING) | BIT(WORKER_DOWN),
    [WORKER_READY] = BIT(WORKER_STOPPING) | BIT(WORKER_DOWN),
    [WORKER_STOPPING] = BIT(WORKER_DOWN),
};

static void worker_step(struct worker *w);

static void worker_check(const struct worker *w)
{
    assert((w->pid == 0) == (w->state == WORKER_DOWN));
    assert((w->window.n == 0) == list_empty(&w->window.jobs));
    assert(w->window.n == 0 || w->state == WORKER_READY || w->state == WORKER_STOPPING);
}

static void worker_move(struct worker *w, enum worker_state next)
{
    assert(next_states[w->state] & BIT(next));
    w->state = next;
    if (next == WORKER_DOWN)
        w->pid = 0;
    worker_check(w);
}

static struct log_field log_age(const struct worker *w)
{
    return log_count("after_ms", loop_now_ms(w->loop) - w->started_at_ms);
}

/* ---- what happens: facts, then step ---- */

/* Its pipes have ended. As a rule it dies, and of what is known in a moment. */
static void lose(struct worker *w)
{
    w->hung = true;
    if (w->dying_until_ms == 0)
        w->dying_until_ms = loop_now_ms(w->loop) + DYING_MS;
}

/* It gets one line at a time from now on, and with care. */
static void look_whether_unasked(struct worker *w)
{
    if (w->channel.n_stale == 0 || !pacing_distrust(&w->pacing))
        return;
    w->opts.tally->n_distrusted++;
    log_warn("worker.distrusted", log_int("pid", w->pid), log_count("unasked", w->channel.n_stale));
}

static void on_answers(struct worker *w)
{
    (void)channel_pull(&w->channel);
    hear(w);
    look_whether_unasked(w);
    if (channel_ended(&w->channel))
        lose(w);
    loop_post(w->loop, &w->step);
}

/* By order nothing behind the parts of the oldest can be read before they are taken. By number each
 * stream is told to wait for itself: give_controls(). */
static bool must_pause(const struct worker *w)
{
    return !w->window.numbered && w->window.n > 0 && parts_are_full(window_oldest(&w->window));
}

static void on_readable(struct worker *w)
{
    if (must_pause(w))
        channel_pause(&w->channel); /* until worker_step() */
    else
        on_answers(w);
}

static void on_fd1(struct loop_watch *watch)
{
    struct worker *w = container_of(watch, struct worker, channel.fd1);

    if (!channel_hold_up(&w->channel))
        on_readable(w);
}

static void on_fd3(struct loop_watch *watch)
{
    on_readable(container_of(watch, struct worker, channel.fd3));
}

static void on_exit_status(struct loop_child *child, int wait_status)
{
    struct worker *w = container_of(child, struct worker, child);

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

static void on_room_to_write(struct loop_watch *watch)
{
    struct worker *w = container_of(watch, struct worker, channel.in);

    channel_saw_room(&w->channel);
    worker_step(w);
}

/* ---- feeding ---- */

/* Whether it will answer nothing more. */
static bool is_lost(const struct worker *w)
{
    return w->hung || w->refused;
}

static void feed(struct worker *w)
{
    if (w->window.unsent == NULL)
        return;
    if (!give_next(w))
        lose(w);
    if (w->window.unsent != NULL && !is_lost(w))
        loop_watch_write(&w->channel.in, on_room_to_write);
}

/* Whether what it wrote is to be made out: only where one line at a time is all that it has. */
static bool is_puzzling(const struct worker *w)
{
    return w->window.n == 1 && window_is_fed(&w->window) && w->window.unsent == NULL &&
           !w->channel.kept_apart && !w->window.numbered &&
           (channel_is_undecided(&w->channel) || channel_oddity(&w->channel) != ODD_NOTHING);
}

/* Loop time at which to look again, in microseconds. */
static uint64_t puzzle(struct worker *w)
{
    uint64_t at_us;

    if (is_lost(w) || !is_puzzling(w)) {
        w->question = (struct question){0};
        return UINT64_MAX;
    }
    at_us = give_question(w);
    if (at_us == UINT64_MAX && w->window.n_ahead > 0 && w->channel.in.sock != NULL)
        loop_watch_write(&w->channel.in, on_room_to_write);
    return at_us;
}

/* ---- the end of a process ---- */

static void bury(struct worker *w)
{
    bool wanted = w->state == WORKER_STOPPING;

    spawn_kill(w->pid, SIGKILL); /* what it started lives in its group */
    kin_end(w->loop, w->mark);   /* ... or has left it */
    w->death = death_of(w->wait_status, wanted, w->opts.oom, loop_now_ms(w->loop));
    hear_last_words(w);
    tally_ended(w);
    channel_close(&w->channel);
    stdin_probe_close(&w->stdin_probe);
    loop_timer_clear(&w->timer);
    loop_post_cancel(&w->step);
    worker_move(w, WORKER_DOWN);
    loop_post(w->loop, &w->changed);
}

/* It must end. Where it has lines in its hands that it has not begun there is no time for SIGTERM:
 * it could handle that and begin them. */
static void stop_now(struct worker *w, const char *why, enum job_outcome outcome)
{
    bool holds = hear_no_more(w, outcome);

    log_info("worker.stop", log_int("pid", w->pid), log_age(w), log_text("why", why),
             log_count("held", w->window.n));
    if (holds) {
        w->killed_for = outcome == JOB_LATE ? "the one before exceeded its time limit"
                                            : "the action had to end";
        ending_kill(&w->ending, w->pid);
    } else {
        ending_tell(&w->ending, w->pid);
    }
    worker_move(w, WORKER_STOPPING);
    loop_post(w->loop, &w->changed);
}

/* Nothing more will be written to it: it may leave in order. */
static void close_input(struct worker *w)
{
    loop_watch_close(&w->channel.in);
    ending_ask(&w->ending);
    worker_move(w, WORKER_STOPPING);
}

/* ---- deciding ---- */

static bool is_late(const struct worker *w, uint64_t at_ms)
{
    return loop_now_ms(w->loop) >= at_ms;
}

/* It ended, or said that it will not answer, without a better reason than that. */
static void start_failed(struct worker *w)
{
    if (!w->refused && w->start_err.kind == ERR_NONE)
        (void)death_explain(w->death, w->spec->reports_ready, &w->start_err);
    if (w->death != DEATH_NONE && w->start_err.kind == ERR_ACTION)
        death_say_how(w->wait_status, w->start_err.detail, sizeof(w->start_err.detail));
}

/* Tell a launcher that waited what its action is; a long line goes as the pipe takes it. */
static void greet(struct worker *w)
{
    if (buf_len(&w->greeting) > 0 && channel_tell(&w->channel, &w->greeting) &&
        buf_len(&w->greeting) > 0)
        loop_watch_write(&w->channel.in, on_room_to_write);
}

/* true: wait a moment for what is dying to be dead. It may also live on without its pipes. */
static bool is_dying(const struct worker *w)
{
    return w->dying_until_ms != 0 && !w->refused && !w->unwanted && !is_late(w, w->dying_until_ms);
}

static void step_starting(struct worker *w)
{
    uint64_t late_at_ms = w->started_at_ms + w->opts.start_ms;
    uint64_t settled_at_ms = w->started_at_ms + w->opts.settle_ms;
    bool settles = !w->spec->reports_ready && !w->refused;
    enum stdin_probe_state state;

    greet(w);
    if (is_late(w, late_at_ms))
        on_answers(w); /* as in look_at_deadlines() */
    state = settles && !w->ready ? stdin_probe_look(&w->stdin_probe) : STDIN_PROBE_UNKNOWN;
    if (state == STDIN_PROBE_YES || state == STDIN_PROBE_POLLS) {
        w->ready = w->was_seen = true;
        /* An announcement that it made on the way is in the pipe by now. */
        (void)channel_pull(&w->channel);
        hear(w);
    }
    if (state == STDIN_PROBE_RUNS) /* still starting, which takes long on a busy machine */
        settled_at_ms += SETTLE_PATIENCE * w->opts.settle_ms;
    if (settles && is_late(w, settled_at_ms))
        w->ready = true;
    if (w->hung && !is_dying(w))
        start_failed(w);
    if (is_dying(w)) {
        loop_timer_set(w->loop, &w->timer, w->dying_until_ms);
    } else if (is_lost(w) || w->unwanted || w->retired) {
        stop_now(w, is_lost(w) ? "lost" : "unwanted", JOB_DIED);
    } else if (w->ready) {
        w->start_err.kind = ERR_NONE;
        worker_move(w, WORKER_READY);
        log_info("worker.ready", log_int("pid", w->pid), log_age(w));
        loop_post(w->loop, &w->changed);
    } else if (is_late(w, late_at_ms)) {
        (void)err_set(&w->start_err, ERR_LIMIT, 0,
                      "the action was not ready within %llu ms (--init-timeout)",
                      (unsigned long long)w->opts.start_ms);
        stop_now(w, "late", JOB_DIED);
    } else {
        loop_timer_set(w->loop, &w->timer, late_at_ms);
        if (settles)
            loop_timer_set_us(w->loop, &w->timer, loop_now_us(w->loop) + START_LOOK_US);
    }
}

/* Others run beside one that is late, and may be in time: unless the process as a whole does
 * nothing any more, which shows by what it leaves unread. */
static void ask_whether_it_reads(struct worker *w)
{
    if (w->reads_by_ms > 0 && !channel_reads(&w->channel))
        return;
    channel_ask(&w->channel, w->window.unsent_written == 0);
    w->reads_by_ms = loop_now_ms(w->loop) + READS_MS;
}

/* It had its time to read, and did not. */
static bool is_stuck(struct worker *w)
{
    if (w->reads_by_ms > 0 && channel_reads(&w->channel))
        w->reads_by_ms = 0;
    return w->reads_by_ms > 0 && is_late(w, w->reads_by_ms);
}

/* Answer the late ones. true: the one that runs is late, and the worker must end. */
static bool look_at_deadlines(struct worker *w)
{
    struct job *job;

    on_answers(w); /* we may have been paused: read pending answers before enforcing deadlines */
    for (;;) {
        switch (window_late(&w->window, loop_now_ms(w->loop), TOMBSTONE_MS, &job)) {
        case WINDOW_IN_TIME:
            return false;
        case WINDOW_LATE_RUNNING:
            return true;
        case WINDOW_LATE_JOB:
            hear_end_of(w, job, JOB_LATE);
            if (w->window.numbered)
                ask_whether_it_reads(w);
            break;
        }
    }
}

/* The soonest moment at which there is something to look at. */
static uint64_t next_look_ms(const struct worker *w)
{
    uint64_t at_ms = w->window.n > 0 ? w->window.soonest_ms : UINT64_MAX;

    if (w->reads_by_ms > 0 && w->reads_by_ms < at_ms)
        at_ms = w->reads_by_ms;
    return at_ms;
}

/* Jobs that wait for its death are late as ever. */
static void step_stopping(struct worker *w)
{
    while (w->window.n > 0 && is_late(w, w->window.soonest_ms) && look_at_deadlines(w)) {
        struct job *oldest = window_oldest(&w->window);

        if (oldest->tombstone)
            oldest->deadline_at_ms = NEVER_MS; /* it only keeps its place */
        else
            hear_end_of(w, window_give_up(&w->window, oldest), JOB_LATE);
    }
    ending_step(&w->ending, w->pid, w->unwanted);
    if (!loop_timer_is_set(&w->timer) && next_look_ms(w) < NEVER_MS)
        loop_timer_set(w->loop, &w->timer, next_look_ms(w));
}

static void step_ready(struct worker *w)
{
    uint64_t again_us = UINT64_MAX;
    bool late;

    if (!must_pause(w))
        channel_resume(&w->channel);
    if (!is_lost(w) && !w->unwanted) {
        feed(w);
        if (w->holder.asked && w->channel.in.sock != NULL && !give_controls(w))
            loop_watch_write(&w->channel.in, on_room_to_write);
        again_us = puzzle(w);
    }
    late = w->window.n > 0 && is_late(w, w->window.soonest_ms) && look_at_deadlines(w);
    if (late || is_stuck(w) || (w->window.numbered && window_is_deserted(&w->window))) {
        w->late = true;
        stop_now(w, "late", late ? JOB_LATE : JOB_DIED);
    } else if (is_dying(w)) {
        uint64_t at_ms = next_look_ms(w);

        loop_timer_set(w->loop, &w->timer, at_ms < w->dying_until_ms ? at_ms : w->dying_until_ms);
    } else if (is_lost(w) || w->unwanted) {
        hear_rest(w); /* what it has answered counts */
        stop_now(w, w->unwanted ? "unwanted" : "lost", JOB_DIED);
    } else if (w->retired && w->window.n == 0) {
        close_input(w);
    } else if (again_us < UINT64_MAX && again_us / 1000 < next_look_ms(w)) {
        loop_timer_set_us(w->loop, &w->timer, again_us);
    } else if (next_look_ms(w) < UINT64_MAX) {
        loop_timer_set(w->loop, &w->timer, next_look_ms(w));
    } else {
        loop_timer_clear(&w->timer);
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
    pacing_init(&w->pacing, opts->ahead_max, opts->pipeline);
    placement_init(&w->placement, opts->wake_near);
    w->stdin_probe.fd = -1;
    loop_post_init(&w->changed, on_changed);
    loop_post_init(&w->step, on_step);
    loop_timer_init(&w->timer, on_timer);
    ending_init(&w->ending, loop, &w->timer, opts->kill_ms);
    loop_child_init(&w->child);
    channel_init(&w->channel, out, err, opts->answer_max_bytes + REQUEST_ID_MAX);
    window_init(&w->window);
    list_init(&w->finished);
    list_init(&w->returned);
    list_init(&w->spoke);
    w->holder = (struct job_holder){.loop = loop, .step = &w->step};
}

void worker_done(struct worker *w)
{
    window_drop_tombstones(&w->window);
    assert(w->window.n == 0 && list_empty(&w->finished) && list_empty(&w->returned));
    if (w->pid != 0) {
        spawn_kill(w->pid, SIGKILL);
        loop_child_forget(&w->child);
        kin_end(w->loop, w->mark);
    }
    loop_child_forget(&w->child);
    channel_done(&w->channel);
    buf_done(&w->greeting);
    stdin_probe_close(&w->stdin_probe);
    loop_timer_clear(&w->timer);
    loop_post_cancel(&w->step);
    loop_post_cancel(&w->changed);
    w->pid = 0;
    w->state = WORKER_DOWN;
}

static void begin(struct worker *w, const struct spawned *spawned)
{
    w->was_seen = false;
    w->exited = w->ready = w->refused = w->hung = w->late = false;
    w->unwanted = w->retired = w->takes_control = w->holder.asked = false;
    w->killed_for = NULL;
    w->dying_until_ms = w->reads_by_ms = 0;
    window_open(&w->window);
    w->question = (struct question){0};
    w->death = DEATH_NONE;
    w->start_err.kind = ERR_NONE;
    w->n_logged = 0;
    w->started_at_ms = loop_now_ms(w->loop);
    w->pid = spawned->pid;
    w->mark = spawned->mark;
    worker_move(w, WORKER_STARTING);
    tally_started(w);
    loop_child_watch(w->loop, &w->child, spawned->pid, on_exit_status);
    channel_open(&w->channel, w->loop, spawned, w->spec->answers, on_fd1, on_fd3);
    pacing_open(&w->pacing);
    placement_open(&w->placement);
    stdin_probe_open(&w->stdin_probe, spawned->pid, w->spec->privileges);
    loop_timer_set_us(w->loop, &w->timer, loop_now_us(w->loop) + START_LOOK_US);
}

void worker_start(struct worker *w)
{
    struct spawned spawned;
    struct err err;

    assert(w->state == WORKER_DOWN);
    buf_done(&w->greeting);
    if (spawn_start(w->spec, w->opts.pipe_bytes, &spawned, &err) < 0) {
        tally_unspawned(w, &err);
        w->start_err = err;
        /* Without better advice the text is the one that the suites compare. */
        if (err.kind == ERR_ACTION && w->spec->shortfall == NULL) {
            (void)err_set(&w->start_err, ERR_ACTION, err.os, "command exited");
            memcpy(w->start_err.detail, err.detail, sizeof(err.detail));
        }
        loop_post(w->loop, &w->changed);
        return;
    }
    begin(w, &spawned);
}

void worker_adopt(struct worker *w, const struct spawned *spawned, struct buf *line)
{
    assert(w->state == WORKER_DOWN);
    buf_done(&w->greeting);
    w->greeting = *line;
    memset(line, 0, sizeof(*line));
    begin(w, spawned);
    loop_post(w->loop, &w->step);
}

unsigned worker_room(const struct worker *w)
{
    if (w->state != WORKER_READY || is_lost(w) || w->unwanted || w->retired || w->exited)
        return 0;
    return pacing_depth(&w->pacing) > w->window.n ? pacing_depth(&w->pacing) - w->window.n : 0;
}

unsigned worker_batch(const struct worker *w)
{
    return pacing_batch(&w->pacing);
}

bool worker_is_stalled(const struct worker *w, uint64_t now_ns)
{
    return w->window.n > 0 && pacing_is_stalled(&w->pacing, now_ns);
}

void worker_give(struct worker *w, struct job *job)
{
    assert(worker_room(w) > 0);
    job->holder = &w->holder;
    job->cancel_told = job->pause_told = false;
    window_add(&w->window, job);
    loop_post(w->loop, &w->step);
}

void worker_feed(struct worker *w)
{
    assert(w->window.n > 0);
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
    w->retired = true;
    loop_post(w->loop, &w->step);
}

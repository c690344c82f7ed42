#include "worker/worker.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/json.h"
#include "base/launch.h"
#include "base/log.h"
#include "worker/spawn.h"

#define LINES_PER_WRITE 64   /* the most that one writev carries; more wait for the next */
#define LAST_READS_MAX  4    /* at its end; one empties a pipe, but somebody may go on writing */
#define RETURNS_MAX     1    /* times that a job comes back unread before it fails */
#define GHOST_MS        1000 /* time for a job that was given up and cannot be taken back */

#define BIT(n) (1u << (n))

static const struct {
    const char *name;
    unsigned next; /* BIT() of each state that may follow */
} states[] = {
    [WORKER_DOWN] = {"down", BIT(WORKER_STARTING)},
    [WORKER_STARTING] = {"starting", BIT(WORKER_READY) | BIT(WORKER_STOPPING) | BIT(WORKER_DOWN)},
    [WORKER_READY] = {"ready", BIT(WORKER_STOPPING) | BIT(WORKER_DOWN)},
    [WORKER_STOPPING] = {"stopping", BIT(WORKER_DOWN)},
};

static void worker_step(struct worker *w);

static void worker_check(const struct worker *w)
{
    assert((w->pid == 0) == (w->state == WORKER_DOWN));
    assert((w->flight.n == 0) == list_empty(&w->flight.jobs));
    assert(w->flight.n == 0 || w->state == WORKER_READY);
}

static void worker_move(struct worker *w, enum worker_state next)
{
    assert(states[w->state].next & BIT(next));
    log_debug("worker.state pid=%d from=%s to=%s", (int)w->pid, states[w->state].name,
              states[next].name);
    w->state = next;
    if (next == WORKER_DOWN)
        w->pid = 0;
    worker_check(w);
}

/* ---- the end of an activation ---- */

void worker_write_sentinels(struct sink *out, struct sink *err)
{
    sink_line_start(out, NULL);
    sink_line_start(err, NULL);
    sink_add(out, NULL, SENTINEL "\n", sizeof(SENTINEL));
    sink_add(err, NULL, SENTINEL "\n", sizeof(SENTINEL));
}

/* Log lines, then sentinels, then the answer: the platform stops reading logs soon after it. */
static void end_activation(struct worker *w, struct job *job, enum job_outcome outcome)
{
    job->outcome = outcome;
    if (!flight_is_fed(&w->flight))
        channel_settle_logs(&w->channel);
    else if (!w->logs_settled)
        channel_settle_log_lines(&w->channel);
    worker_write_sentinels(w->channel.out.sink, w->channel.err.sink);
    list_add_tail(&w->finished, &job->node);
    loop_post(w->loop, &w->changed);
}

static void finish(struct worker *w, struct job *job, enum job_outcome outcome)
{
    /* It answered before all of its line was written. The rest can neither be left out, as the next
     * line would be glued to what it has, nor be counted on to be read: it is replaced. */
    if (w->flight.unsent == job && w->flight.unsent_written > 0)
        w->hung = true;
    job = flight_take(&w->flight, job);
    if (job != NULL) /* else it was a ghost, whose client has its answer */
        end_activation(w, job, outcome);
}

static void finish_answered(struct worker *w, const char *text, size_t n)
{
    struct job *job = flight_oldest(&w->flight);

    assert(job != NULL);
    if (!job->ghost) {
        job->answer = xmalloc(n);
        memcpy(job->answer, text, n);
        job->answer_len = n;
    }
    finish(w, job, JOB_ANSWERED);
}

/* ---- what the worker says ---- */

static void refuse(struct worker *w, const char *why)
{
    w->refused = true;
    (void)err_set(&w->start_err, ERR_ACTION, 0, "%s", why);
}

/* The ready line; contract 2.2 and runtime/README.md. Texts as the suites compare them. */
static void read_ready_line(struct worker *w, const char *text, size_t n)
{
    struct json_slice value;
    struct json_fault fault;
    struct json_slice top;
    char why[256];

    if (json_check(text, n, &fault) == JSON_BAD) {
        json_fault_say(&fault, text, n, why, sizeof(why));
        refuse(w, why);
        return;
    }
    top = json_top(text, n);
    if (top.kind != JSON_OBJECT || !json_member(top, "ok", &value) || value.kind != JSON_TRUE) {
        (void)snprintf(why, sizeof(why), "The action did not initialize properly.");
        if (top.kind == JSON_OBJECT && json_member(top, "error", &value) &&
            value.kind == JSON_STRING && value.n < sizeof(why)) {
            why[json_unescape(value, why)] = '\0';
            refuse(w, why);
            w->start_err.kind = ERR_CODE; /* the launcher's own words are for the client */
            return;
        }
        refuse(w, why);
        return;
    }
    w->ready = w->announced = true;
    /* A number is 1 and more, whatever it says beyond what we use. */
    if (json_member(top, "pipeline", &value) && value.kind == JSON_NUMBER) {
        w->feed.pipeline = (unsigned)strtoul(value.text, NULL, 10);
        w->feed.pipeline += w->feed.pipeline == 0;
    }
    w->channel.kept_apart = w->feed.pipeline > 0;
    w->feed.observable = true; /* until it proves otherwise */
}

static enum channel_wanted wanted(const struct worker *w)
{
    if (flight_is_fed(&w->flight))
        return WANT_ANSWER;
    if (w->state == WORKER_STARTING && !w->ready && !w->refused && w->launch->reports_ready)
        return WANT_READY;
    return WANT_NOTHING;
}

/* Take in what was read. Lines that nobody waits for end in here. */
static void hear(struct worker *w)
{
    unsigned n_answers = 0;

    for (;;) {
        enum channel_wanted want = wanted(w);
        const char *text;
        size_t n;
        enum channel_result result = channel_next(&w->channel, want, &text, &n);

        if (result == CHANNEL_NONE)
            break;
        if (w->state == WORKER_STOPPING)
            continue; /* too late, whatever it says */
        if (want != WANT_ANSWER && result == CHANNEL_LINE)
            read_ready_line(w, text, n);
        else if (want != WANT_ANSWER)
            refuse(w, "The action did not initialize properly.");
        else if (result == CHANNEL_LINE)
            finish_answered(w, text, n);
        else
            finish(w, flight_oldest(&w->flight), JOB_TOO_LONG);
        /* One read brought them all: no log line of theirs can be younger than the first look. */
        w->logs_settled = want == WANT_ANSWER;
        n_answers += want == WANT_ANSWER;
    }
    w->logs_settled = false;
    if (n_answers > 0) {
        uint64_t n_logged = w->channel.out.n_bytes + w->channel.err.n_bytes;

        feed_answered(&w->feed, n_answers, flight_is_fed(&w->flight), n_logged != w->n_logged);
        w->n_logged = n_logged;
    }
}

/* ---- what happens: facts, then step ---- */

static void on_answers(struct worker *w)
{
    (void)channel_pull(&w->channel);
    hear(w);
    if (w->channel.n_stale > 0 && feed_distrust(&w->feed))
        log_warn("worker.answers pid=%d unasked=%llu: fed one line at a time from now on",
                 (int)w->pid, (unsigned long long)w->channel.n_stale);
    if (channel_ended(&w->channel))
        w->hung = true;
    loop_post(w->loop, &w->step);
}

static void on_fd1(struct loop_watch *watch)
{
    struct worker *w = container_of(watch, struct worker, channel.fd1);

    if (!channel_hold_up(&w->channel))
        on_answers(w);
}

static void on_fd3(struct loop_watch *watch)
{
    on_answers(container_of(watch, struct worker, channel.fd3));
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
    worker_step(container_of(watch, struct worker, channel.in));
}

/* ---- feeding ---- */

/* Write what is unsent, as many lines in one call as there are. */
static void write_unsent(struct worker *w)
{
    struct iovec lines[LINES_PER_WRITE];
    int n_lines = flight_lines(&w->flight, lines, LINES_PER_WRITE);
    ssize_t n = channel_write(&w->channel, lines, n_lines);

    if (n < 0)
        w->hung = true;
    else
        flight_wrote(&w->flight, (size_t)n);
}

/* Whether it will answer nothing more. */
static bool is_lost(const struct worker *w)
{
    return w->hung || w->refused;
}

/* true: come back in a moment, the worker is not seen waiting yet. */
static bool feed(struct worker *w)
{
    if (w->flight.unsent == NULL)
        return false;
    if ((w->feed.pipeline == 0 || w->feed.distrusted) && !flight_is_fed(&w->flight)) {
        /* What it said up to here belongs to nobody. Look, then drop, then write: in this order a
         * second answer that comes late cannot be taken for the next one's. */
        if (!feed_is_quiet(&w->feed, loop_now_us(w->loop)))
            return true;
        (void)channel_pull(&w->channel);
        hear(w);
        channel_drop_rest(&w->channel);
        w->hung = channel_ended(&w->channel);
    }
    if (!is_lost(w)) {
        feed_began(&w->feed);
        write_unsent(w);
    }
    if (w->flight.unsent != NULL && !is_lost(w))
        loop_watch_write(&w->channel.in, on_room_to_write);
    return false;
}

/* ---- the end of a process ---- */

/* The oldest job was running, unless its line still stands in the pipe; the others never began:
 * they go back. One that is never read, start after start, must fail at last. */
static void clear_jobs(struct worker *w, enum job_outcome outcome)
{
    struct job *job = flight_oldest(&w->flight);

    if (job == NULL)
        return;
    if (outcome != JOB_DIED || job->n_returned >= RETURNS_MAX ||
        flight_has_begun(&w->flight, channel_unread(&w->channel)))
        finish(w, job, outcome);
    else
        job->n_returned++;
    while ((job = flight_oldest(&w->flight)) != NULL) {
        job = flight_take(&w->flight, job);
        if (job != NULL)
            list_add_tail(&w->returned, &job->node);
    }
    loop_post(w->loop, &w->changed);
}

/* All that stands in its pipes: whole lines first, then what it left unfinished. */
static void hear_last_words(struct worker *w)
{
    const char *text;
    size_t n;

    for (int i = 0; i < LAST_READS_MAX && channel_pull(&w->channel); i++)
        hear(w);
    hear(w);
    if (flight_is_fed(&w->flight) && channel_rest(&w->channel, &text, &n) == CHANNEL_LINE)
        finish_answered(w, text, n);
    clear_jobs(w, JOB_DIED);
}

static void bury(struct worker *w)
{
    spawn_kill(w->pid, SIGKILL); /* what it started lives in its group */
    hear_last_words(w);
    log_info("worker.exit pid=%d status=%d signal=%d after_ms=%llu state=%s", (int)w->pid,
             WIFEXITED(w->wait_status) ? WEXITSTATUS(w->wait_status) : -1,
             WIFSIGNALED(w->wait_status) ? WTERMSIG(w->wait_status) : 0,
             (unsigned long long)(loop_now_ms(w->loop) - w->started_at_ms), states[w->state].name);
    channel_close(&w->channel);
    feed_close(&w->feed);
    loop_timer_clear(&w->timer);
    loop_post_cancel(&w->step);
    worker_move(w, WORKER_DOWN);
    loop_post(w->loop, &w->changed);
}

static void stop_now(struct worker *w)
{
    spawn_kill(w->pid, SIGTERM);
    w->stop_at_ms = loop_now_ms(w->loop) + w->opts.kill_ms;
    worker_move(w, WORKER_STOPPING);
    loop_post(w->loop, &w->changed);
}

/* ---- deciding ---- */

static bool is_late(const struct worker *w, uint64_t at_ms)
{
    return loop_now_ms(w->loop) >= at_ms;
}

/* It ended, or said that it will not answer, without a better reason than that. */
static void start_failed(struct worker *w)
{
    if (w->refused || w->start_err.kind != ERR_NONE)
        return;
    (void)err_set(&w->start_err, ERR_ACTION, 0, "%s",
                  w->launch->reports_ready ? "Command exited abruptly during initialization."
                                           : "command exited");
}

/* Tell a launcher that waited what its action is; a long line goes as the pipe takes it. */
static void greet(struct worker *w)
{
    struct iovec line = {w->greeting.bytes + w->greeting.start, buf_len(&w->greeting)};
    ssize_t n;

    if (line.iov_len == 0)
        return;
    n = channel_write(&w->channel, &line, 1);
    w->channel.fed = false; /* an activation it was not */
    if (n > 0)
        buf_drop(&w->greeting, (size_t)n);
    if (n >= 0 && buf_len(&w->greeting) > 0)
        loop_watch_write(&w->channel.in, on_room_to_write);
}

static void step_starting(struct worker *w)
{
    uint64_t late_at_ms = w->started_at_ms + w->opts.start_ms;
    uint64_t settled_at_ms = w->started_at_ms + w->opts.settle_ms;
    bool settles = !w->launch->reports_ready && !w->refused;

    greet(w);
    if (is_late(w, late_at_ms))
        on_answers(w); /* as in look_at_deadlines() */
    if (settles && !w->ready && waits_look(&w->feed.waits) == WAITS_YES) {
        w->ready = w->feed.observable = w->feed.seen = true;
        /* An announcement that it made on the way is in the pipe by now. */
        (void)channel_pull(&w->channel);
        hear(w);
    }
    if (settles && is_late(w, settled_at_ms))
        w->ready = true;
    if (w->hung)
        start_failed(w);
    if (is_lost(w) || w->unwanted) {
        stop_now(w);
    } else if (w->ready) {
        w->start_err.kind = ERR_NONE;
        worker_move(w, WORKER_READY);
        loop_post(w->loop, &w->changed);
    } else if (is_late(w, late_at_ms)) {
        (void)err_set(&w->start_err, ERR_LIMIT, 0,
                      "the action was not ready within %llu ms (--init-timeout)",
                      (unsigned long long)w->opts.start_ms);
        stop_now(w);
    } else {
        loop_timer_set(w->loop, &w->timer, late_at_ms);
        if (settles)
            loop_timer_set_us(w->loop, &w->timer, loop_now_us(w->loop) + FEED_LOOK_US);
    }
}

/* Answer the late ones. true: the one that runs is late, and the worker must end. */
static bool look_at_deadlines(struct worker *w)
{
    struct job *job;

    on_answers(w); /* it may be us who are late, frozen or starved: what stands there came first */
    for (;;) {
        switch (flight_late(&w->flight, loop_now_ms(w->loop), GHOST_MS, &job)) {
        case FLIGHT_IN_TIME:
            return false;
        case FLIGHT_LATE_RUNNING:
            return true;
        case FLIGHT_LATE_JOB:
            end_activation(w, job, JOB_LATE);
            break;
        }
    }
}

static void step_ready(struct worker *w)
{
    bool again = false;

    if (!is_lost(w) && !w->unwanted)
        again = feed(w);
    if (w->flight.n > 0 && is_late(w, w->flight.soonest_ms) && look_at_deadlines(w)) {
        clear_jobs(w, JOB_LATE);
        stop_now(w);
    } else if (is_lost(w) || w->unwanted) {
        hear_last_words(w);
        stop_now(w);
    } else if (again) {
        loop_timer_set_us(w->loop, &w->timer, loop_now_us(w->loop) + FEED_LOOK_US);
    } else if (w->flight.n > 0) {
        loop_timer_set(w->loop, &w->timer, w->flight.soonest_ms);
    } else {
        loop_timer_clear(&w->timer);
    }
}

static void step_stopping(struct worker *w)
{
    if (w->stop_at_ms != 0 && is_late(w, w->stop_at_ms)) {
        spawn_kill(w->pid, SIGKILL);
        w->stop_at_ms = 0;
    }
    if (w->stop_at_ms != 0)
        loop_timer_set(w->loop, &w->timer, w->stop_at_ms);
    else
        loop_timer_clear(&w->timer);
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

void worker_init(struct worker *w, struct loop *loop, const struct launch *launch,
                 const struct worker_opts *opts, struct sink *out, struct sink *err,
                 loop_post_fn *on_changed)
{
    memset(w, 0, sizeof(*w));
    w->loop = loop;
    w->launch = launch;
    w->opts = *opts;
    feed_init(&w->feed, opts->ahead_max);
    loop_post_init(&w->changed, on_changed);
    loop_post_init(&w->step, on_step);
    loop_timer_init(&w->timer, on_timer);
    loop_child_init(&w->child);
    channel_init(&w->channel, out, err, opts->answer_max_bytes);
    flight_init(&w->flight);
    list_init(&w->finished);
    list_init(&w->returned);
}

void worker_done(struct worker *w)
{
    assert(w->flight.n == 0 && list_empty(&w->finished) && list_empty(&w->returned));
    if (w->pid != 0)
        spawn_kill(w->pid, SIGKILL);
    loop_child_forget(&w->child);
    channel_done(&w->channel);
    buf_done(&w->greeting);
    feed_close(&w->feed);
    loop_timer_clear(&w->timer);
    loop_post_cancel(&w->step);
    loop_post_cancel(&w->changed);
    w->pid = 0;
    w->state = WORKER_DOWN;
}

static void begin(struct worker *w, const struct spawned *spawned)
{
    w->exited = w->ready = w->announced = w->refused = w->hung = w->unwanted = false;
    w->start_err.kind = ERR_NONE;
    w->n_logged = 0;
    w->started_at_ms = loop_now_ms(w->loop);
    w->pid = spawned->pid;
    worker_move(w, WORKER_STARTING);
    loop_child_watch(w->loop, &w->child, spawned->pid, on_exit_status);
    channel_open(&w->channel, w->loop, spawned, w->launch->answers, on_fd1, on_fd3);
    feed_open(&w->feed, spawned->pid);
    loop_timer_set_us(w->loop, &w->timer, loop_now_us(w->loop) + FEED_LOOK_US);
}

void worker_start(struct worker *w)
{
    struct spawned spawned;
    struct err err;

    assert(w->state == WORKER_DOWN);
    buf_done(&w->greeting);
    if (spawn_start(w->launch, w->opts.pipe_bytes, &spawned, &err) < 0) {
        log_info("worker.start failed=\"%s\"", err.text);
        w->start_err = err;
        /* Without better advice the text is the one that the suites compare. */
        if (err.kind == ERR_ACTION && w->launch->shortfall == NULL)
            (void)err_set(&w->start_err, ERR_ACTION, err.os, "command exited");
        loop_post(w->loop, &w->changed);
        return;
    }
    log_info("worker.start pid=%d program=%s", (int)spawned.pid, w->launch->argv[0]);
    begin(w, &spawned);
}

void worker_adopt(struct worker *w, const struct spawned *spawned, struct buf *line)
{
    assert(w->state == WORKER_DOWN);
    log_info("worker.adopt pid=%d program=%s", (int)spawned->pid, w->launch->argv[0]);
    buf_done(&w->greeting);
    w->greeting = *line;
    memset(line, 0, sizeof(*line));
    begin(w, spawned);
    loop_post(w->loop, &w->step);
}

unsigned worker_room(const struct worker *w)
{
    if (w->state != WORKER_READY || is_lost(w) || w->unwanted || w->exited)
        return 0;
    return feed_depth(&w->feed) > w->flight.n ? feed_depth(&w->feed) - w->flight.n : 0;
}

void worker_give(struct worker *w, struct job *job)
{
    assert(worker_room(w) > 0);
    flight_add(&w->flight, job);
    loop_post(w->loop, &w->step);
}

void worker_stop(struct worker *w)
{
    w->unwanted = true;
    loop_post(w->loop, &w->step);
}

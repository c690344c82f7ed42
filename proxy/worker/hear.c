#include "worker/hear.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/exec_spec.h"
#include "base/kin.h"
#include "base/log.h"
#include "worker/parts.h"
#include "worker/ready.h"
#include "worker/request_id.h"
#include "worker/session.h"
#include "worker/spawn.h"
#include "worker/tally.h"

/* When a process ends, each answer pipe is read until it is empty, but at most this many times: a
 * child of the process may go on writing. */
#define LAST_READS_MAX 4
#define TOMBSTONE_MS   1000 /* how long to wait for the answer of a job that was given up */
#define READS_MS       1000 /* time for a process to show that it still reads */
#define UNREAD_MS      3000 /* time to read the first line before we log a warning */
/* a process that used this much processor time in UNREAD_MS counts as still starting */
#define UNREAD_WORK_MS 100

#define UNREAD " has not read the request; an action reads lines on stdin"
/* job->reason of an activation past its deadline, if the answer was probably not flushed */
#define UNANSWERED                                                                                 \
    " waits for more input and has not answered; does it write a whole line, and flush it?"

#define NEVER_MS (UINT64_MAX - 1) /* a time that never comes; UINT64_MAX means JOB_BY_TURN */

/* ---- the end of an activation ---- */

/* Forward the job's log, then the sentinels that mark its end, before the answer is sent: the
 * platform stops reading logs soon after the answer. */
static void end_job(struct session *s, struct job *job, enum job_outcome outcome)
{
    assert(job->outcome == JOB_PENDING && outcome != JOB_PENDING);
    assert(!job->tombstone);
    job->outcome = outcome;
    if (!window_awaits_answer(&s->window))
        channel_settle_logs(&s->channel);
    else if (!s->logs_settled)
        channel_settle_log_lines(&s->channel);
    forwarder_write_sentinels(s->channel.out.output, s->channel.err.output);
    list_add_tail(&s->finished, &job->node);
    loop_post(s->loop, s->changed);
}

static void finish(struct session *s, struct job *job, enum job_outcome outcome)
{
    /* The job was answered before its whole line was written. The rest of the line may never be
     * read. It cannot be left out either: the next line would be appended to the fragment. So the
     * process must be replaced. */
    if (s->window.unsent == job && s->window.unsent_written > 0)
        s->spoiled = true;
    /* Do not blame this job's odd output on the next job. */
    channel_forget_oddity(&s->channel);
    job = window_take(&s->window, job);
    if (job != NULL)
        end_job(s, job, outcome);
    else /* it was a tombstone: no client waits for it, but there is room for another job now */
        loop_post(s->loop, s->changed);
}

/* Whether the answer is within answer_max_bytes. The channel lets a little more through, for the
 * request id. */
static bool is_within(const struct session *s, enum channel_result result, size_t n)
{
    return result == CHANNEL_LINE && n <= s->opts->answer_max_bytes;
}

/* Find the job that this answer belongs to, and cut off the request id. NULL: there is no job. */
static struct job *find_job(const struct session *s, enum channel_result result, const char **text,
                            size_t *n)
{
    uint64_t number;

    if (!s->window.numbered)
        return window_oldest(&s->window);
    if (!request_id_read(text, n, &number) || (result == CHANNEL_LINE && !request_id_end(*text, n)))
        return NULL;
    return window_find(&s->window, number);
}

/* Cut off the leading "!" by which a launcher says that the function failed. Launchers write it
 * only after announcing `pipeline` or `concurrent`. */
static bool take_mark(const struct session *s, const char **text, size_t *n)
{
    if (!s->channel.kept_apart || *n == 0 || **text != '!')
        return false;
    *text += 1;
    *n -= 1;
    return true;
}

/* ---- parts of an answer ---- */

/* Whether the line is nothing but CHANNEL_PART_MARK: it ends an answer that consists of parts. */
static bool is_end_of_parts(const char *text, size_t n)
{
    return n == 1 || (n == 2 && text[1] == '\r');
}

static void take_part(struct session *s, enum channel_result result, struct job *job,
                      const char *text, size_t n)
{
    assert(n > 0);             /* the line begins with CHANNEL_PART_MARK */
    pacing_logged(&s->pacing); /* write no lines ahead for a while: the process sends parts */
    if (job->tombstone)
        return;
    if (job->parts == NULL)
        histogram_add(&s->opts->tally->first_part, loop_now_us(s->loop) - job->given_at_us, 1);
    tally_part(s->opts->tally, n - 1);
    if (is_within(s, result, n))
        parts_add(job, text + 1, n - 1, s->opts->answer_max_bytes);
    else
        parts_add_too_long(job);
    assert(job->parts != NULL);
    if (job->on_parts != NULL && list_empty(&job->parts->node))
        list_add_tail(&s->spoke, &job->parts->node);
    loop_post(s->loop, s->changed);
}

/* End the job with an error if parts_are_bad(). If at_end is set, no more parts come: make them the
 * answer or, if they are too long, end the job with an error. true: the job has ended. */
static bool finish_by_parts(struct session *s, struct job *job, bool at_end)
{
    assert(at_end || job->parts != NULL);
    if (job->tombstone)
        return false;
    if (parts_are_bad(job) || (at_end && job->parts != NULL && job->parts->too_long)) {
        if (job->parts->fault != NULL)
            (void)snprintf(job->reason, sizeof(job->reason), "%s", job->parts->fault);
        finish(s, job, job->parts->fault != NULL ? JOB_MALFORMED : JOB_TOO_LONG);
        return true;
    }
    if (at_end)
        parts_become_answer(job);
    return false;
}

/* Process a line that is an answer or a part of one. true: the line has ended a job. */
static bool finish_answered(struct session *s, enum channel_result result, const char *text,
                            size_t n)
{
    struct job *job = find_job(s, result, &text, &n);
    bool failed, at_end;

    if (job == NULL) {
        if (s->channel.n_stale == 0)
            log_warn("worker.stray", log_int("pid", s->pid)); /* an answer for which no job waits */
        s->channel.n_stale++;
        return false;
    }
    at_end = channel_is_part(&s->channel, text, n) && is_end_of_parts(text, n);
    if (channel_is_part(&s->channel, text, n) && !at_end) {
        take_part(s, result, job, text, n);
        return false;
    }
    if ((at_end || job->parts != NULL) && finish_by_parts(s, job, at_end))
        return true;
    failed = take_mark(s, &text, &n);
    if (!is_within(s, result, n)) {
        finish(s, job, JOB_TOO_LONG);
        return true;
    }
    if (!job->tombstone) {
        /* Add this job's time to the metrics. Without request ids hear() does that, for all answers
         * of one read together: work on a job begins only when the previous job is done. */
        if (s->window.numbered)
            histogram_add(&s->opts->tally->work, loop_now_us(s->loop) - job->given_at_us, 1);
        if (!at_end) {
            assert(job->answer == NULL);
            job->answer = xmalloc(n);
            memcpy(job->answer, text, n);
            job->answer_len = n;
        }
        job->failed = failed;
    }
    finish(s, job, JOB_ANSWERED);
    return true;
}

void hear_malformed(struct session *s, const char *what)
{
    struct job *job = window_oldest(&s->window);

    assert(window_awaits_answer(&s->window));
    if (!job->tombstone)
        (void)snprintf(job->reason, sizeof(job->reason), "%s", what);
    channel_drop_rest(&s->channel); /* unfinished output belongs to the log of this activation */
    (void)pacing_answered(&s->pacing, 1, false, true);
    finish(s, job, JOB_MALFORMED);
}

/* ---- what the worker says ---- */

/* text: the ready line; NULL if the line is too long. */
static void read_ready_line(struct session *s, const char *text, size_t n)
{
    struct ready ready;

    assert(!window_awaits_answer(&s->window));
    if (ready_read(&ready, text, n, &s->refusal) < 0) {
        s->refused = true;
        return;
    }
    if (ready.concurrent > 0 && !window_is_between_lines(&s->window)) {
        /* The process was already sent the start of a line without a request id. Replace the
         * process. Later processes get longer to write a ready line: start_ms, not settle_ms. */
        s->announces_late = s->refused = true;
        return;
    }
    s->ready = true;
    pacing_announced(&s->pacing, ready.pipeline, ready.concurrent);
    window_set_numbered(&s->window, ready.concurrent > 0);
    channel_announced(&s->channel, &ready);
    s->takes_control = ready.control;
}

static enum channel_wanted wanted(const struct session *s)
{
    if (window_awaits_answer(&s->window)) {
        assert(s->channel.in.got_line);
        return WANT_ANSWER;
    }
    if (!s->ready && !s->refused && !s->dismissed && s->spec->reports_ready)
        return WANT_READY;
    return WANT_NOTHING;
}

void hear(struct session *s)
{
    unsigned n_answers = 0;

    assert(!s->logs_settled);
    for (;;) {
        enum channel_wanted want = wanted(s);
        const char *text;
        size_t n;
        enum channel_result result = channel_next(&s->channel, want, &text, &n);

        if (result == CHANNEL_NONE)
            break;
        if (s->dismissed && s->window.n == 0)
            continue; /* the process was told to end and has no jobs: ignore the line */
        if (want != WANT_ANSWER) {
            read_ready_line(s, is_within(s, result, n) ? text : NULL, n);
            continue;
        }
        n_answers += finish_answered(s, result, text, n);
        /* All answers in this loop came in one read, so settling the logs (forwarding log lines)
         * for the first of them is enough. */
        s->logs_settled = n_answers > 0;
    }
    s->logs_settled = false;
    if (n_answers > 0) {
        uint64_t n_logged = s->channel.out.n_bytes + s->channel.err.n_bytes;
        uint64_t each_ns = pacing_answered(&s->pacing, n_answers, window_awaits_answer(&s->window),
                                           n_logged != s->n_logged);

        if (!s->window.numbered)
            histogram_add(&s->opts->tally->work, each_ns / 1000, n_answers);
        s->n_logged = n_logged;
    }
}

/* ---- reading ---- */

/* If the process wrote an answer for which no job waited, distrust the process: from now on it gets
 * a line only while it waits for one. */
static void distrust_if_unasked(struct session *s)
{
    if (s->channel.n_stale == 0 || !pacing_distrust(&s->pacing))
        return;
    s->opts->tally->n_distrusted++;
    log_warn("worker.distrusted", log_int("pid", s->pid), log_count("unasked", s->channel.n_stale));
}

void hear_readable(struct session *s)
{
    (void)channel_pull(&s->channel);
    hear(s);
    distrust_if_unasked(s);
    s->ended |= channel_ended(&s->channel);
    loop_post(s->loop, s->step);
}

/* Whether to stop reading from the process. Without request ids its next output belongs to the
 * oldest job: stop while too many parts of that job wait to be taken by the code that made it.
 * With request ids give_controls() tells the launcher which jobs to pause. */
static bool must_pause(const struct session *s)
{
    return !s->window.numbered && s->window.n > 0 && parts_are_full(window_oldest(&s->window));
}

static void on_readable(struct session *s)
{
    if (must_pause(s))
        channel_pause(&s->channel, true); /* until hear_resume() */
    else
        hear_readable(s);
}

static void on_fd1(struct loop_watch *watch)
{
    struct session *s = container_of(watch, struct session, channel.fd1);

    if (!channel_hold_up(&s->channel))
        on_readable(s);
}

static void on_fd3(struct loop_watch *watch)
{
    on_readable(container_of(watch, struct session, channel.fd3));
}

void hear_open(struct session *s, const struct spawned *spawned)
{
    session_begin(s, spawned->pid, spawned->in);
    channel_open(&s->channel, s->loop, spawned, s->spec->answers, on_fd1, on_fd3);
}

enum stdin_probe_state hear_start(struct session *s)
{
    enum stdin_probe_state state = stdin_probe_look(&s->stdin_probe);

    assert(!s->spec->reports_ready);
    assert(!s->ready);
    if (state == STDIN_PROBE_YES || state == STDIN_PROBE_POLLS) {
        s->ready = true;
        hear_readable(s); /* read its output so far, or find that its pipes are at their ends */
    }
    return state;
}

void hear_resume(struct session *s)
{
    if (!must_pause(s))
        channel_pause(&s->channel, false);
}

/* ---- a program that never reads its input ---- */

void hear_warn_unread(struct session *s)
{
    uint64_t now_ms, used_ms;

    if (s->window.n == 0 || s->pacing.work_ns > 0 || s->unread_at_ms == NEVER_MS)
        return;
    now_ms = loop_now_ms(s->loop);
    if (s->unread_at_ms > 0 && now_ms < s->unread_at_ms)
        return;
    if (stdin_pipe_has_read(&s->channel.in)) {
        s->unread_at_ms = NEVER_MS;
        return;
    }
    used_ms = kin_used_ms(s->pid);
    if (s->unread_at_ms == 0 || used_ms >= s->unread_used_ms + UNREAD_WORK_MS) {
        s->unread_at_ms = now_ms + UNREAD_MS;
        s->unread_used_ms = used_ms;
    } else {
        s->unread_at_ms = NEVER_MS;
        log_warn("worker.unread", log_int("pid", s->pid), log_text("hint", "it" UNREAD));
    }
}

/* Set the reason of a late job if the process wrote a line that is no answer, has read nothing at
 * all, or waits for input again. A process that is running, not blocked, is not blamed for not
 * reading: it may be starting slowly on a busy machine. */
static void note_why_late(struct session *s, struct job *job)
{
    enum channel_odd odd = channel_oddity(&s->channel);

    if (odd != ODD_NOTHING && odd != ODD_OPEN && s->window.n == 1) {
        (void)snprintf(job->reason, sizeof(job->reason), "It wrote %s.", channel_oddity_text(odd));
    } else if (!stdin_pipe_has_read(&s->channel.in)) {
        if (stdin_probe_look(&s->stdin_probe) != STDIN_PROBE_RUNS)
            (void)snprintf(job->reason, sizeof(job->reason), "It" UNREAD ".");
    } else if (!s->window.numbered && s->window.unsent != job &&
               stdin_pipe_unread(&s->channel.in) == 0 &&
               stdin_probe_look(&s->stdin_probe) == STDIN_PROBE_YES) {
        (void)snprintf(job->reason, sizeof(job->reason), "It" UNANSWERED);
    }
}

/* ---- the end of a process ---- */

/* Put all but the oldest n_kept jobs into s->returned, the youngest first: the pool puts each
 * at the head of its queue. */
static void give_back(struct session *s, unsigned n_kept)
{
    struct list *after = &s->window.jobs;

    assert(n_kept <= s->window.n);
    for (unsigned i = 0; i < n_kept; i++)
        after = after->next;
    while (after->next != &s->window.jobs) {
        struct job *job = window_take(&s->window, list_item(after->next, struct job, node));

        if (job != NULL)
            list_add_head(&s->returned, &job->node);
    }
    assert(s->window.n == n_kept);
    loop_post(s->loop, s->changed);
}

/* End the n oldest jobs. reason: becomes job->reason, unless it is "". */
static void finish_oldest(struct session *s, unsigned n, enum job_outcome outcome,
                          const char *reason)
{
    assert(n <= s->window.n);
    for (; n > 0; n--) {
        struct job *job = window_oldest(&s->window);

        if (reason[0] != '\0')
            (void)snprintf(job->reason, sizeof(job->reason), "%s", reason);
        finish(s, job, outcome);
    }
}

/* Empty the input pipe of the process. Returns how many bytes of lines the process has not read; 0
 * also if the process has written into the pipe itself, since it may have read all lines then.
 * *taken: false if we could not empty the pipe, but only count the bytes in it. */
static size_t take_unread(struct session *s, bool *taken)
{
    auto_buf struct buf unread = {0};

    *taken = stdin_pipe_take_back(&s->channel.in, &unread);
    if (!*taken)
        return stdin_pipe_unread(&s->channel.in);
    return window_wrote_last(&s->window, buf_at(&unread), buf_len(&unread)) ? buf_len(&unread) : 0;
}

bool hear_dismiss(struct session *s, enum job_outcome outcome, const char *reason)
{
    struct job *oldest = window_oldest(&s->window);
    size_t n_unread;
    bool taken, all_begun;
    unsigned n_kept;

    assert(s->pid > 0 && !s->dismissed);
    s->dismissed = true;
    s->window.unheard = channel_ended(&s->channel) && !s->channel.uses_ring;
    if (oldest == NULL)
        return false;
    if (outcome == JOB_LATE)
        note_why_late(s, oldest);
    /* Take the unread lines out of the pipe before their jobs are given back: this process may run
     * until SIGKILL, and must not begin a job that another process gets. */
    n_unread = take_unread(s, &taken);
    all_begun = s->window.numbered && taken;
    if (all_begun) {
        n_kept = window_n_begun(&s->window, n_unread);
    } else {
        n_kept = window_n_read(&s->window, taken ? n_unread : 0);
        if (n_kept == 0 && outcome == JOB_LATE) /* end the late job even if its line is unread */
            n_kept = 1;
        all_begun = n_kept <= 1;
    }
    give_back(s, n_kept);
    if (all_begun)
        finish_oldest(s, n_kept, outcome, reason);
    else if (outcome == JOB_LATE && !oldest->tombstone)
        end_job(s, window_give_up(&s->window, oldest), outcome);
    assert(!all_begun || s->window.n == 0);
    return !all_begun;
}

void hear_close_input(struct session *s)
{
    assert(s->window.n == 0);
    assert(!s->dismissed);
    s->dismissed = true;
    stdin_pipe_close(&s->channel.in);
}

/* Read all output that is left. crashed: the process is dead and did not exit with status 0. */
static void hear_rest_of(struct session *s, bool is_dead, bool crashed)
{
    const char *text;
    size_t n;

    assert(is_dead || !crashed);
    channel_pause(&s->channel, false);
    for (int i = 0; i < LAST_READS_MAX && channel_pull(&s->channel); i++)
        hear(s);
    if (is_dead)
        channel_pull_ring(&s->channel);
    hear(s);
    /* After a crash without an answer on descriptor 3, an undecided line of descriptor 1 may be
     * only log: the program may have died before it answered. */
    if (crashed)
        channel_refuse_undecided(&s->channel);
    if (window_awaits_answer(&s->window) && channel_rest(&s->channel, &text, &n) == CHANNEL_LINE)
        (void)finish_answered(s, CHANNEL_LINE, text, n);
}

void hear_rest(struct session *s)
{
    hear_rest_of(s, false, false);
}

void hear_last_words(struct session *s, int status, enum job_outcome outcome, const char *reason)
{
    bool taken;

    /* If it ended by itself, so soon that it was not killed, its pipes were most likely closed by
     * its end. */
    s->window.unheard &= WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    hear_rest_of(s, true, status != 0);
    if (s->window.n == 0)
        return;
    finish_oldest(s, window_n_begun(&s->window, take_unread(s, &taken)), outcome, reason);
    give_back(s, 0);
    assert(s->window.n == 0);
}

/* ---- whether the process still reads ---- */

void hear_ask(struct session *s, bool may_get_line, uint64_t ms)
{
    assert(ms > 0);
    stdin_pipe_ask(&s->channel.in, may_get_line);
    s->reads_by_ms = loop_now_ms(s->loop) + ms;
}

bool hear_is_stuck(struct session *s)
{
    if (s->reads_by_ms > 0 && stdin_pipe_reads(&s->channel.in)) {
        s->reads_by_ms = 0;
        s->asked_idle = false;
    }
    return s->reads_by_ms > 0 && loop_now_ms(s->loop) >= s->reads_by_ms;
}

/* ---- deadlines ---- */

/* Call for a late job where lines have request ids. Jobs that run beside it may be in time, so the
 * process is replaced only if it no longer reads. Ask whether it does. */
static void ask_late(struct session *s)
{
    assert(s->window.numbered);
    if (s->reads_by_ms == 0 || stdin_pipe_reads(&s->channel.in))
        hear_ask(s, s->window.unsent_written == 0, READS_MS);
}

bool hear_deadlines(struct session *s)
{
    struct job *job;

    if (s->window.n == 0 || loop_now_ms(s->loop) < s->window.soonest_ms)
        return false;
    hear_readable(s); /* answers that came while the proxy itself was frozen still count */
    for (;;) {
        switch (window_late(&s->window, loop_now_ms(s->loop), TOMBSTONE_MS, &job)) {
        case WINDOW_IN_TIME:
            return false;
        case WINDOW_LATE_RUNNING:
            assert(!s->window.numbered);
            return true;
        case WINDOW_LATE_JOB:
            note_why_late(s, job);
            end_job(s, job, JOB_LATE);
            if (s->window.numbered)
                ask_late(s);
            break;
        }
    }
}

void hear_deadlines_of_dying(struct session *s)
{
    assert(s->dismissed);
    while (hear_deadlines(s)) {
        struct job *oldest = window_oldest(&s->window);

        if (oldest->tombstone)
            oldest->deadline_at_ms = NEVER_MS; /* it only absorbs an answer, and cannot be late */
        else
            end_job(s, window_give_up(&s->window, oldest), JOB_LATE);
    }
}

uint64_t hear_next_look_ms(const struct session *s)
{
    uint64_t at_ms = s->window.n > 0 ? s->window.soonest_ms : UINT64_MAX;

    if (s->reads_by_ms > 0 && s->reads_by_ms < at_ms)
        at_ms = s->reads_by_ms;
    if (s->window.n == 0 && s->health_at_ms > 0 && s->health_at_ms < at_ms)
        at_ms = s->health_at_ms;
    if (s->window.n > 0 && s->pacing.work_ns == 0 && s->unread_at_ms > 0 && s->unread_at_ms < at_ms)
        at_ms = s->unread_at_ms;
    return at_ms < NEVER_MS ? at_ms : UINT64_MAX;
}

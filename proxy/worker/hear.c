#include "worker/hear.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/exec_spec.h"
#include "base/log.h"
#include "worker/parts.h"
#include "worker/ready.h"
#include "worker/request_id.h"
#include "worker/tally.h"
#include "worker/worker.h"

#define LAST_READS_MAX 4 /* at its end; one empties a pipe, but somebody may go on writing */

/* ---- the end of an activation ---- */

void hear_end_of(struct worker *w, struct job *job, enum job_outcome outcome)
{
    const char *text = death_text(w->death);

    job->outcome = outcome;
    if (outcome == JOB_DIED && text != NULL) {
        job->outcome = JOB_EXHAUSTED;
        (void)snprintf(job->reason, sizeof(job->reason), "%s", text);
    } else if (outcome == JOB_DIED && w->killed_for != NULL) {
        job->outcome = JOB_KILLED;
        (void)snprintf(job->reason, sizeof(job->reason),
                       "the activation had begun when its process was killed: %s", w->killed_for);
    } else if (outcome == JOB_DIED && w->unwanted) {
        job->outcome = JOB_STOPPED;
    } else if (outcome == JOB_DIED && w->death != DEATH_NONE) {
        death_say_how(w->wait_status, job->reason, sizeof(job->reason));
    }
    if (!window_is_fed(&w->window))
        channel_settle_logs(&w->channel);
    else if (!w->logs_settled)
        channel_settle_log_lines(&w->channel);
    forwarder_write_sentinels(w->channel.out.output, w->channel.err.output);
    list_add_tail(&w->finished, &job->node);
    loop_post(w->loop, &w->changed);
}

static void finish(struct worker *w, struct job *job, enum job_outcome outcome)
{
    /* It answered before all of its line was written. The rest can neither be left out, as the next
     * line would be glued to what it has, nor be counted on to be read: it is replaced. */
    if (w->window.unsent == job && w->window.unsent_written > 0)
        w->hung = true;
    job = window_take(&w->window, job);
    if (job != NULL) /* else it was a tombstone, whose client has its answer */
        hear_end_of(w, job, outcome);
}

/* The channel takes a little more than the bound, for the number. */
static bool is_within(const struct worker *w, enum channel_result result, size_t n)
{
    return result == CHANNEL_LINE && n <= w->opts.answer_max_bytes;
}

/* Whose answer it is; its number is taken off. NULL: nobody's. */
static struct job *find_job(const struct worker *w, enum channel_result result, const char **text,
                            size_t *n)
{
    uint64_t number;

    if (!w->window.numbered)
        return window_oldest(&w->window);
    if (!request_id_read(text, n, &number) || (result == CHANNEL_LINE && !request_id_end(*text, n)))
        return NULL;
    return window_find(&w->window, number);
}

/* Takes the mark of a failed function off its answer. Programs that are no launchers have none. */
static bool take_mark(const struct worker *w, const char **text, size_t *n)
{
    if (!w->channel.kept_apart || *n == 0 || **text != '!')
        return false;
    *text += 1;
    *n -= 1;
    return true;
}

/* ---- parts ---- */

/* The mark alone: the parts are all that there is. */
static bool is_end_of_parts(const char *text, size_t n)
{
    return n == 1 || (n == 2 && text[1] == '\r');
}

static void take_part(struct worker *w, enum channel_result result, struct job *job,
                      const char *text, size_t n)
{
    struct tally *tally = w->opts.tally;
    uint64_t now_us = loop_now_us(w->loop);

    w->pacing.n_silent = 0; /* one line at a time for those that have much to say */
    if (job->tombstone)
        return;
    if (job->parts == NULL)
        histogram_add(&tally->first_part, now_us - job->given_at_us, 1);
    tally->n_parts++;
    tally->part_bytes += n - 1;
    if (is_within(w, result, n))
        parts_add(job, text + 1, n - 1, w->opts.answer_max_bytes, now_us);
    else
        parts_add_too_long(job, now_us);
    if (job->on_parts != NULL && list_empty(&job->parts->node))
        list_add_tail(&w->spoke, &job->parts->node);
    loop_post(w->loop, &w->changed);
}

/* Its parts are its answer, or what is wrong with them. true: it is finished. */
static bool finish_by_parts(struct worker *w, struct job *job, bool at_end)
{
    if (job->tombstone)
        return false;
    if (parts_are_bad(job) || (at_end && job->parts != NULL && job->parts->too_long)) {
        if (job->parts->fault != NULL)
            (void)snprintf(job->reason, sizeof(job->reason), "%s", job->parts->fault);
        finish(w, job, job->parts->fault != NULL ? JOB_MALFORMED : JOB_TOO_LONG);
        return true;
    }
    if (at_end)
        parts_become_answer(job);
    return false;
}

/* true: somebody waited for this answer. */
static bool finish_answered(struct worker *w, enum channel_result result, const char *text,
                            size_t n)
{
    struct job *job = find_job(w, result, &text, &n);
    bool failed, at_end;

    if (job == NULL) {
        if (w->channel.n_stale++ == 0)
            log_warn("worker.stray", log_int("pid", w->pid)); /* an answer that is nobody's */
        return false;
    }
    at_end = channel_is_part(&w->channel, text, n) && is_end_of_parts(text, n);
    if (channel_is_part(&w->channel, text, n) && !at_end) {
        take_part(w, result, job, text, n);
        return false;
    }
    if ((at_end || job->parts != NULL) && finish_by_parts(w, job, at_end))
        return true;
    failed = take_mark(w, &text, &n);
    if (!is_within(w, result, n)) {
        finish(w, job, JOB_TOO_LONG);
        return true;
    }
    if (!job->tombstone) {
        /* By order its work begins when the one before is done: hear() counts all of a read. */
        if (w->window.numbered)
            histogram_add(&w->opts.tally->work, loop_now_us(w->loop) - job->given_at_us, 1);
        if (!at_end) {
            job->answer = xmalloc(n);
            memcpy(job->answer, text, n);
            job->answer_len = n;
        }
        job->failed = failed;
    }
    finish(w, job, JOB_ANSWERED);
    return true;
}

void hear_malformed(struct worker *w, const char *what)
{
    struct job *job = window_oldest(&w->window);

    if (!job->tombstone)
        (void)snprintf(job->reason, sizeof(job->reason), "%s", what);
    channel_drop_rest(&w->channel); /* into the log of this one */
    (void)pacing_answered(&w->pacing, 1, false, true);
    finish(w, job, JOB_MALFORMED);
}

/* ---- what the worker says ---- */

/* text: NULL for a line beyond the bound. */
static void read_ready_line(struct worker *w, const char *text, size_t n)
{
    struct ready ready;

    if (ready_read(&ready, text, n, &w->start_err) < 0) {
        w->refused = true;
        return;
    }
    if (ready.concurrent > 0 && !window_is_between_lines(&w->window)) {
        /* It was sent the start of a line without an id. Replace the process; from now on, wait
         * for its announcement as long as a start may take. */
        w->opts.settle_ms = w->opts.start_ms;
        w->refused = true;
        return;
    }
    w->ready = w->was_seen = true;
    pacing_announced(&w->pacing, ready.pipeline, ready.concurrent);
    window_set_numbered(&w->window, ready.concurrent > 0);
    w->channel.kept_apart = ready.pipeline > 0 || ready.concurrent > 0;
    w->channel.parts = ready.parts;
    w->takes_control = ready.control;
    if (ready.ring)
        channel_use_ring(&w->channel);
}

static enum channel_wanted wanted(const struct worker *w)
{
    if (window_is_fed(&w->window))
        return WANT_ANSWER;
    if (w->state == WORKER_STARTING && !w->ready && !w->refused && w->spec->reports_ready)
        return WANT_READY;
    return WANT_NOTHING;
}

void hear(struct worker *w)
{
    unsigned n_answers = 0;

    for (;;) {
        enum channel_wanted want = wanted(w);
        const char *text;
        size_t n;
        enum channel_result result = channel_next(&w->channel, want, &text, &n);

        if (result == CHANNEL_NONE)
            break;
        if (w->state == WORKER_STOPPING && w->window.n == 0)
            continue; /* too late, whatever it says */
        if (want != WANT_ANSWER) {
            read_ready_line(w, is_within(w, result, n) ? text : NULL, n);
            continue;
        }
        n_answers += finish_answered(w, result, text, n);
        /* One read brought them all: no log line of theirs can be younger than the first look. */
        w->logs_settled = n_answers > 0;
    }
    w->logs_settled = false;
    if (n_answers > 0) {
        uint64_t n_logged = w->channel.out.n_bytes + w->channel.err.n_bytes;
        uint64_t each_ns = pacing_answered(&w->pacing, n_answers, window_is_fed(&w->window),
                                           n_logged != w->n_logged);

        if (!w->window.numbered)
            histogram_add(&w->opts.tally->work, each_ns / 1000, n_answers);
        w->n_logged = n_logged;
    }
}

/* ---- the end of a process ---- */

/* All but the oldest n_kept go back, in their order. */
static void give_back(struct worker *w, unsigned n_kept)
{
    struct list *after = &w->window.jobs;

    for (unsigned i = 0; i < n_kept; i++)
        after = after->next;
    while (after->next != &w->window.jobs) {
        struct job *job = window_take(&w->window, list_item(after->next, struct job, node));

        if (job != NULL)
            list_add_tail(&w->returned, &job->node);
    }
    loop_post(w->loop, &w->changed);
}

static void finish_oldest(struct worker *w, unsigned n, enum job_outcome outcome)
{
    for (; n > 0; n--)
        finish(w, window_oldest(&w->window), outcome);
}

bool hear_no_more(struct worker *w, enum job_outcome outcome)
{
    struct job *oldest = window_oldest(&w->window);
    size_t n_unread;
    bool taken;
    unsigned n_held;

    if (oldest == NULL)
        return false;
    /* Drain the pipe before requeueing: this process may run until SIGKILL and must not run these
     * jobs too. */
    taken = channel_take_back(&w->channel, &n_unread);
    n_held = window_n_held(&w->window, taken ? n_unread : 0);
    if (w->window.numbered && taken) {
        n_held = window_n_begun(&w->window, n_unread);
        give_back(w, n_held);
        finish_oldest(w, n_held, outcome);
        return false;
    }
    if (n_held == 0 && outcome != JOB_DIED) /* late, and never read */
        n_held = 1;
    give_back(w, n_held);
    if (n_held <= 1) {
        finish_oldest(w, n_held, outcome);
        return false;
    }
    if (outcome != JOB_DIED && !oldest->tombstone)
        hear_end_of(w, window_give_up(&w->window, oldest), outcome);
    return true;
}

static void hear_all(struct worker *w, bool dead)
{
    const char *text;
    size_t n;

    w->channel.paused = false;
    for (int i = 0; i < LAST_READS_MAX && channel_pull(&w->channel); i++)
        hear(w);
    channel_decide(&w->channel);
    if (dead)
        channel_pull_ring(&w->channel);
    hear(w);
    if (window_is_fed(&w->window) && channel_rest(&w->channel, &text, &n) == CHANNEL_LINE)
        (void)finish_answered(w, CHANNEL_LINE, text, n);
}

void hear_rest(struct worker *w)
{
    hear_all(w, false);
}

void hear_last_words(struct worker *w)
{
    size_t n_unread;

    hear_all(w, true);
    if (w->window.n == 0)
        return;
    n_unread = channel_unread(&w->channel);
    finish_oldest(w, window_n_begun(&w->window, n_unread), JOB_DIED);
    give_back(w, 0);
}

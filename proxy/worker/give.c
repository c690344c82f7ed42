#include "worker/give.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/exec_spec.h"
#include "base/kin.h"
#include "worker/hear.h"
#include "worker/parts.h"
#include "worker/session.h"

#define PARTS_PER_WRITE 192    /* the most that one writev carries; more wait for the next */
#define LOOK_US         200    /* between the first looks, doubled each time */
#define LOOKS_US        10000  /* after so long a byte is written instead of more looks */
#define HEALTH_MS       3000   /* time to read what asks an idle process whether it reads */
#define GRACE_US        100000 /* for more to come, where being at its input says little */

/* It has answered all that it had, and gets one line at a time. */
static bool waits_for_one_line(const struct session *s)
{
    return s->window.n == 1 && !s->window.probing && !window_is_fed(&s->window) &&
           pacing_depth(&s->pacing) == 1;
}

/* Write what is unsent, as many lines in one call as there are. */
static bool write_unsent(struct session *s)
{
    struct iovec parts[PARTS_PER_WRITE];
    int n_parts = window_lines(&s->window, parts, PARTS_PER_WRITE);
    bool placed =
        waits_for_one_line(s) && placement_begin(&s->placement, s->pid, s->pacing.work_ns);
    ssize_t n = channel_write(&s->channel, parts, n_parts);

    if (placed)
        placement_end(&s->placement, s->pid);
    if (n < 0)
        return false;
    /* Not before: where the process has died meanwhile it cannot have begun the line. */
    if (n > 0)
        window_end_probe(&s->window);
    window_wrote(&s->window, (size_t)n);
    return true;
}

/* Discard stale output before writing, or a late duplicate would answer the next job. */
static bool drop_what_is_stale(struct session *s)
{
    (void)channel_pull(&s->channel);
    hear(s);
    channel_drop_rest(&s->channel);
    return !channel_ended(&s->channel);
}

/* true: it has read the start of the line, or that cannot be told here. */
static bool has_read_probe(struct session *s)
{
    struct iovec part;
    ssize_t n;

    if (!channel_narrow(&s->channel))
        return true;
    if (!s->window.probing) {
        if (!window_probe(&s->window, CHANNEL_NARROW_BYTES, &part))
            return true;
        n = channel_probe(&s->channel, part);
        if (n < 0)
            return true; /* the write that follows finds that out */
        window_wrote(&s->window, (size_t)n);
    }
    return channel_unread(&s->channel) == 0;
}

/* Before a line to a worker that has none. false: its pipe is at its end. */
static bool begin_with_care(struct session *s)
{
    if (!drop_what_is_stale(s))
        return false;
    if (window_oldest(&s->window)->len > CHANNEL_NARROW_BYTES)
        channel_widen(&s->channel);
    return true;
}

/* Write what is unsent, as far as it may be. false: the process does not read any more. */
static bool write_next(struct session *s)
{
    if (window_is_fed(&s->window))
        return write_unsent(s);
    if (pacing_takes_care(&s->pacing)) {
        if (!has_read_probe(s))
            return true;
        if (!begin_with_care(s))
            return false;
        if (s->refused) /* its announcement came too late for the line that was begun */
            return true;
    } else {
        channel_widen(&s->channel);
        if (pacing_is_plain(&s->pacing))
            channel_drop_rest(&s->channel);
    }
    pacing_began(&s->pacing);
    return write_unsent(s);
}

/* ---- room in the pipe ---- */

static void on_room(struct loop_watch *watch)
{
    struct session *s = container_of(watch, struct session, channel.in);

    channel_saw_room(&s->channel);
    loop_post(s->loop, s->step);
}

static void wait_for_room(struct session *s)
{
    if (channel_takes_input(&s->channel))
        loop_watch_write(&s->channel.in, on_room);
}

void give_next(struct session *s)
{
    if (s->window.unsent == NULL)
        return;
    s->ended |= !write_next(s);
    if (s->window.unsent != NULL && !session_is_lost(s))
        wait_for_room(s);
}

void give_greeting(struct session *s, struct buf *line)
{
    assert(buf_len(&s->greeting) == 0);
    s->greeting = *line;
    memset(line, 0, sizeof(*line));
}

void give_greeting_rest(struct session *s)
{
    if (buf_len(&s->greeting) > 0 && channel_tell(&s->channel, &s->greeting) &&
        buf_len(&s->greeting) > 0)
        wait_for_room(s);
}

/* ---- control lines ---- */

/* A pipe takes so few bytes all or not at all. false: there is no room, or a line is unfinished. */
static bool write_control(struct session *s, const char *word, uint64_t number)
{
    char text[64];
    struct iovec line = {text, 0};
    ssize_t n;

    if (!window_is_between_lines(&s->window))
        return false;
    line.iov_len =
        (size_t)snprintf(text, sizeof(text), "%s %llu\n", word, (unsigned long long)number);
    n = channel_probe(&s->channel, line); /* an idle process has still not been given a line */
    if (n > 0)
        window_wrote_else(&s->window, (size_t)n);
    return n != 0; /* -1: the next line will find that out */
}

/* What the launcher is to know of a job that it has. false: it could not be written. */
static bool control_job(struct session *s, struct job *job)
{
    bool is_full = s->window.numbered && parts_are_full(job);

    if (job->is_cancelled && !job->cancel_told) {
        job->cancel_told = write_control(s, "cancel", job->number);
        return job->cancel_told;
    }
    if (!job->is_cancelled && is_full != job->pause_told) {
        if (!write_control(s, is_full ? "pause" : "resume", job->number))
            return false;
        job->pause_told = is_full;
    }
    return true;
}

/* false: there is no room for one of them. */
static bool write_controls(struct session *s)
{
    list_each(node, &s->window.jobs) {
        struct job *job = list_item(node, struct job, node);

        if (job == s->window.unsent) /* it, and what follows, is not there yet */
            return true;
        if (!job->tombstone && !control_job(s, job))
            return false;
    }
    return true;
}

void give_controls(struct session *s)
{
    if (!s->holder.asked || !channel_takes_input(&s->channel))
        return;
    if (s->takes_control && !write_controls(s))
        wait_for_room(s);
    else
        s->holder.asked = s->window.unsent != NULL;
}

/* ---- an idle process ---- */

/* By a control line about no activation, or where lines have request ids by an empty one. */
static void ask_idle(struct session *s)
{
    hear_ask(s, !s->takes_control, HEALTH_MS);
    if (s->takes_control)
        (void)write_control(s, "cancel", 0); /* the pipe is empty: there is room */
    s->asked_idle = true;
}

bool give_health_check(struct session *s)
{
    uint64_t now_ms;
    bool is_due;

    if (s->opts->health_ms == 0)
        return false;
    if (s->window.n > 0) {
        s->health_at_ms = 0;
        return false;
    }
    now_ms = loop_now_ms(s->loop);
    is_due = s->health_at_ms > 0 && now_ms >= s->health_at_ms;
    if (is_due || s->health_at_ms == 0)
        s->health_at_ms = now_ms + s->opts->health_ms;
    if (!is_due)
        return false;
    if (kin_is_stopped(s->pid))
        return true;
    if (s->reads_by_ms == 0 && s->window.n_ahead == 0 && channel_unread(&s->channel) == 0 &&
        (s->takes_control || s->window.numbered))
        ask_idle(s);
    return false;
}

/* ---- the question ---- */

/* The byte that each line begins with, so that the next one can go on behind it. */
static void write_first_byte(struct session *s)
{
    struct iovec part = {(char[]){'{'}, 1};

    s->question.probed = true;
    if (s->window.n_ahead == 0 && channel_narrow(&s->channel) &&
        channel_probe(&s->channel, part) == 1)
        window_wrote_ahead(&s->window);
}

/* What is known by now is all that will come. */
static void conclude(struct session *s)
{
    enum channel_odd odd;

    channel_decide(&s->channel);
    hear(s);
    if (channel_is_undecided(&s->channel)) { /* the rest of its line was read just now */
        channel_decide(&s->channel);
        hear(s);
    }
    odd = channel_oddity(&s->channel);
    if (window_is_fed(&s->window) && odd != ODD_NOTHING)
        hear_malformed(s, channel_oddity_text(odd));
    s->question = (struct question){0};
}

/* When to look again, loop time in microseconds; UINT64_MAX: once the pipe has room. */
static uint64_t ask(struct session *s)
{
    struct question *question = &s->question;
    bool is_undecided = channel_is_undecided(&s->channel);
    uint64_t now_us = loop_now_us(s->loop);
    enum stdin_probe_state state = stdin_probe_look(&s->stdin_probe);
    uint64_t since_us;

    assert(window_is_fed(&s->window));
    if (question->asked_at_us == 0)
        question->asked_at_us = now_us;
    since_us = now_us - question->asked_at_us;
    if (state == STDIN_PROBE_YES) {
        conclude(s);
        return UINT64_MAX;
    }
    if (since_us < LOOKS_US)
        return now_us + (since_us < LOOK_US ? LOOK_US : since_us);
    /* Who polls may wait for something else: one who logs JSON, too, and answers later. */
    if (state == STDIN_PROBE_POLLS && !is_undecided)
        return UINT64_MAX;
    if (!question->probed && state != STDIN_PROBE_POLLS)
        write_first_byte(s);
    if (channel_unread(&s->channel) > 0)
        return UINT64_MAX;
    if (question->read_at_us == 0)
        question->read_at_us = now_us;
    if ((is_undecided && s->window.n_ahead > 0) || now_us - question->read_at_us >= GRACE_US) {
        conclude(s);
        return UINT64_MAX;
    }
    return question->read_at_us + GRACE_US;
}

/* Whether what it wrote is to be made out: only where one line at a time is all that it has. */
static bool is_open(const struct session *s)
{
    return !session_is_lost(s) && s->window.n == 1 && window_is_fed(&s->window) &&
           s->window.unsent == NULL && !s->channel.kept_apart && !s->window.numbered &&
           (channel_is_undecided(&s->channel) || channel_oddity(&s->channel) != ODD_NOTHING);
}

uint64_t give_question(struct session *s)
{
    uint64_t at_us;

    if (!is_open(s)) {
        s->question = (struct question){0};
        return UINT64_MAX;
    }
    at_us = ask(s);
    if (at_us == UINT64_MAX && s->window.n_ahead > 0)
        wait_for_room(s);
    return at_us;
}

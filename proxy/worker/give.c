#include "worker/give.h"

#include <assert.h>
#include <stdio.h>

#include "base/exec_spec.h"
#include "worker/hear.h"
#include "worker/parts.h"
#include "worker/worker.h"

#define PARTS_PER_WRITE 192    /* the most that one writev carries; more wait for the next */
#define LOOK_US         200    /* between the first looks, doubled each time */
#define LOOKS_US        10000  /* after so long a byte is written instead of more looks */
#define GRACE_US        100000 /* for more to come, where being at its input says little */

/* It has answered all that it had, and gets one line at a time. */
static bool waits_for_one_line(const struct worker *w)
{
    return w->window.n == 1 && !window_is_fed(&w->window) && pacing_depth(&w->pacing) == 1;
}

/* Write what is unsent, as many lines in one call as there are. */
static bool write_unsent(struct worker *w)
{
    struct iovec parts[PARTS_PER_WRITE];
    int n_parts = window_lines(&w->window, parts, PARTS_PER_WRITE);
    bool placed =
        waits_for_one_line(w) && placement_begin(&w->placement, w->pid, w->pacing.work_ns);
    ssize_t n = channel_write(&w->channel, parts, n_parts);

    if (placed)
        placement_end(&w->placement, w->pid);
    if (n < 0)
        return false;
    window_wrote(&w->window, (size_t)n);
    return true;
}

/* Discard stale output before writing, or a late duplicate would answer the next job. */
static bool drop_what_is_stale(struct worker *w)
{
    (void)channel_pull(&w->channel);
    hear(w);
    channel_drop_rest(&w->channel);
    return !channel_ended(&w->channel);
}

/* true: it has read the start of the line, or that cannot be told here. */
static bool has_read_probe(struct worker *w)
{
    struct iovec part;
    ssize_t n;

    if (!channel_narrow(&w->channel))
        return true;
    if (!w->window.probing) {
        if (!window_probe(&w->window, CHANNEL_NARROW_BYTES, &part))
            return true;
        n = channel_probe(&w->channel, part);
        if (n < 0)
            return true; /* the write that follows finds that out */
        window_wrote(&w->window, (size_t)n);
    }
    return channel_unread(&w->channel) == 0;
}

/* Before a line to a worker that has none. false: its pipe is at its end. */
static bool begin_with_care(struct worker *w)
{
    if (!drop_what_is_stale(w))
        return false;
    if (window_oldest(&w->window)->len > CHANNEL_NARROW_BYTES)
        channel_widen(&w->channel);
    return true;
}

bool give_next(struct worker *w)
{
    if (window_is_fed(&w->window))
        return write_unsent(w);
    if (pacing_takes_care(&w->pacing)) {
        if (!has_read_probe(w))
            return true;
        if (!begin_with_care(w))
            return false;
        if (w->refused) /* its announcement came too late for the line that was begun */
            return true;
    } else {
        channel_widen(&w->channel);
        if (pacing_is_plain(&w->pacing))
            channel_drop_rest(&w->channel);
    }
    /* Its ready line may have come amid the probe, and have told that no care is needed. */
    window_end_probe(&w->window);
    pacing_began(&w->pacing);
    return write_unsent(w);
}

/* ---- control lines ---- */

/* A pipe takes so few bytes all or not at all. false: there is no room, or a line is unfinished. */
static bool write_control(struct worker *w, const char *word, const struct job *job)
{
    char text[64];
    struct iovec line = {text, 0};
    ssize_t n;

    if (!window_is_between_lines(&w->window))
        return false;
    line.iov_len =
        (size_t)snprintf(text, sizeof(text), "%s %llu\n", word, (unsigned long long)job->number);
    n = channel_write(&w->channel, &line, 1);
    if (n > 0)
        window_wrote_else(&w->window, (size_t)n);
    return n != 0; /* -1: the next line will find that out */
}

/* What the launcher is to know of a job that it has. false: it could not be written. */
static bool control_job(struct worker *w, struct job *job)
{
    bool is_full = w->window.numbered && parts_are_full(job);

    if (job->is_cancelled && !job->cancel_told) {
        job->cancel_told = write_control(w, "cancel", job);
        return job->cancel_told;
    }
    if (!job->is_cancelled && is_full != job->pause_told) {
        if (!write_control(w, is_full ? "pause" : "resume", job))
            return false;
        job->pause_told = is_full;
    }
    return true;
}

bool give_controls(struct worker *w)
{
    if (w->takes_control) {
        list_each(node, &w->window.jobs) {
            struct job *job = list_item(node, struct job, node);

            if (job == w->window.unsent) /* it, and what follows, is not there yet */
                break;
            if (!job->tombstone && !control_job(w, job))
                return false;
        }
    }
    w->holder.asked = w->window.unsent != NULL;
    return true;
}

/* ---- the question ---- */

/* The byte that each line begins with, so that the next one can go on behind it. */
static void write_first_byte(struct worker *w)
{
    struct iovec part = {(char[]){'{'}, 1};

    w->question.probed = true;
    if (w->window.n_ahead == 0 && channel_narrow(&w->channel) &&
        channel_probe(&w->channel, part) == 1)
        window_wrote_ahead(&w->window);
}

/* What is known by now is all that will come. */
static void conclude(struct worker *w)
{
    enum channel_odd odd;

    channel_decide(&w->channel);
    hear(w);
    if (channel_is_undecided(&w->channel)) { /* the rest of its line was read just now */
        channel_decide(&w->channel);
        hear(w);
    }
    odd = channel_oddity(&w->channel);
    if (window_is_fed(&w->window) && odd != ODD_NOTHING)
        hear_malformed(w, channel_oddity_text(odd));
    w->question = (struct question){0};
}

uint64_t give_question(struct worker *w)
{
    struct question *question = &w->question;
    bool is_open = channel_is_undecided(&w->channel);
    uint64_t now_us = loop_now_us(w->loop);
    enum stdin_probe_state state = stdin_probe_look(&w->stdin_probe);
    uint64_t since_us;

    assert(window_is_fed(&w->window));
    if (question->asked_at_us == 0)
        question->asked_at_us = now_us;
    since_us = now_us - question->asked_at_us;
    if (state == STDIN_PROBE_YES) {
        conclude(w);
        return UINT64_MAX;
    }
    if (since_us < LOOKS_US)
        return now_us + (since_us < LOOK_US ? LOOK_US : since_us);
    /* Who polls may wait for something else: one who logs JSON, too, and answers later. */
    if (state == STDIN_PROBE_POLLS && !is_open)
        return UINT64_MAX;
    if (!question->probed && state != STDIN_PROBE_POLLS)
        write_first_byte(w);
    if (channel_unread(&w->channel) > 0)
        return UINT64_MAX;
    if (question->read_at_us == 0)
        question->read_at_us = now_us;
    if ((is_open && w->window.n_ahead > 0) || now_us - question->read_at_us >= GRACE_US) {
        conclude(w);
        return UINT64_MAX;
    }
    return question->read_at_us + GRACE_US;
}

#include "worker/give.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/exec_spec.h"
#include "base/kin.h"
#include "worker/hear.h"
#include "worker/parts.h"
#include "worker/session.h"

/* most iovecs in one writev(); the lines left over need another call */
#define PIECES_PER_WRITE 192
/* give_question() looks in /proc to see whether the process waits for input. This is the time
 * between the first two looks; it doubles with each look. */
#define LOOK_US 200
/* time for such looks alone; then we write the first byte of the next line, too, to see if the
 * process reads it */
#define LOOKS_US  10000
#define HEALTH_MS 3000 /* time for an idle process to show that it still reads */
/* time for more output once the first byte was read; after that the answer counts as complete */
#define GRACE_US 100000
/* if the process also waits for something else, such as a timer, GRACE_US begins later, by at most
 * AWAITS_US */
#define AWAITS_US 1000000
/* shortest time between looks in /proc where no event tells when to look: the process also waits
 * for something else, or has not read all of its own line */
#define AGAIN_US 20000

/* Whether the process is idle, gets one line at a time, and is about to get one. */
static bool waits_for_one_line(const struct session *s)
{
    return s->window.n == 1 && !window_has_only_prefix(&s->window) &&
           !window_awaits_answer(&s->window) && pacing_depth(&s->pacing) == 1;
}

/* Write unsent lines, as many as fit, in one system call. false: the process no longer reads. */
static bool write_unsent(struct session *s)
{
    struct iovec pieces[PIECES_PER_WRITE];
    int n_pieces = window_lines(&s->window, pieces, PIECES_PER_WRITE);
    bool placed =
        waits_for_one_line(s) && placement_begin(&s->placement, s->pid, s->pacing.work_ns);
    ssize_t n = stdin_pipe_write(&s->channel.in, pieces, n_pieces);

    assert(n_pieces > 0);
    assert(!s->dismissed);
    if (placed)
        placement_end(&s->placement, s->pid);
    if (n < 0)
        return false;
    window_wrote(&s->window, (size_t)n);
    return true;
}

/* Discard old output before a line is written. A second answer to the previous line would be taken
 * for the answer to this one. false: the answer pipes are at their ends. */
static bool drop_what_is_stale(struct session *s)
{
    (void)channel_pull(&s->channel);
    hear(s);
    channel_drop_rest(&s->channel);
    return !channel_ended(&s->channel);
}

/* Write a prefix of the unsent line, unless that was done. true: the process has read it, or we
 * cannot tell whether it has. */
static bool has_read_prefix(struct session *s)
{
    assert(!window_awaits_answer(&s->window));
    /* It has answered a line that it has not read to the end, and may answer the rest, too. More
     * than the newline: some programs read that later. A control line may be unread at any time. */
    if (!window_has_only_prefix(&s->window) && !s->window.sent_brace && !s->takes_control &&
        stdin_pipe_unread(&s->channel.in) > 1) {
        s->spoiled = true;
        return false;
    }
    if (!stdin_pipe_narrow(&s->channel.in))
        return true;
    if (!window_has_only_prefix(&s->window)) {
        const char *byte = window_prefix(&s->window);
        ssize_t n = byte != NULL ? stdin_pipe_put(&s->channel.in, byte, 1) : 0;

        if (n < 0)
            return true; /* the next write fails, too, and reports it */
        window_wrote(&s->window, (size_t)n);
    }
    return stdin_pipe_unread(&s->channel.in) == 0;
}

/* Whether the process waits for its next line: then all of its older output is in its pipes. If
 * /proc does not show that it waits, write a prefix of the line. Call again when the pipe has room:
 * that means that the process has read the prefix. */
static bool is_at_input(struct session *s)
{
    if (!window_has_only_prefix(&s->window) && stdin_probe_look(&s->stdin_probe) == STDIN_PROBE_YES)
        return true;
    return has_read_prefix(s);
}

/* Call before a line is written to a process that gets a line only while it waits for one. false:
 * the answer pipes of the process are at their ends. */
static bool begin_with_care(struct session *s)
{
    assert(!window_awaits_answer(&s->window));
    if (!drop_what_is_stale(s))
        return false;
    if (s->channel.answers == ANSWERS_AUTO)
        stdin_probe_note_idle(&s->stdin_probe);
    if (window_oldest(&s->window)->len > STDIN_PIPE_NARROW_BYTES)
        stdin_pipe_widen(&s->channel.in);
    return true;
}

/* Write unsent lines; if pacing_takes_care(), only once the process waits for a line. false: the
 * process no longer reads, or its answer pipes are at their ends. */
static bool write_next(struct session *s)
{
    if (window_awaits_answer(&s->window))
        return write_unsent(s);
    if (pacing_takes_care(&s->pacing)) {
        if (!is_at_input(s))
            return true;
        if (!begin_with_care(s))
            return false;
        if (s->refused) /* a ready line just came that reports a failure, or comes too late */
            return true;
    } else {
        stdin_pipe_widen(&s->channel.in);
    }
    pacing_began(&s->pacing);
    return write_unsent(s);
}

/* ---- room in the pipe ---- */

static void on_room(struct loop_watch *watch)
{
    struct session *s = container_of(watch, struct session, channel.in.watch);

    stdin_pipe_saw_room(&s->channel.in);
    loop_post(s->loop, s->step);
}

static void wait_for_room(struct session *s)
{
    if (stdin_pipe_is_open(&s->channel.in))
        loop_watch_write(&s->channel.in.watch, on_room);
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
    ssize_t n = stdin_pipe_put(&s->channel.in, buf_at(&s->greeting), buf_len(&s->greeting));

    assert(s->window.n == 0);

    if (n > 0)
        buf_drop(&s->greeting, (size_t)n);
    if (n >= 0 && buf_len(&s->greeting) > 0)
        wait_for_room(s);
}

/* ---- control lines ---- */

/* Write a control line such as "cancel 7"; a pipe takes so few bytes whole or not at all. false: no
 * room, or another line is written only in part. */
static bool write_control(struct session *s, const char *word, uint64_t number)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "%s %llu\n", word, (unsigned long long)number);
    ssize_t n;

    assert(len > 0 && (size_t)len < sizeof(text));
    if (!window_is_between_lines(&s->window))
        return false;
    n = stdin_pipe_put(&s->channel.in, text, (size_t)len);
    if (n > 0)
        window_wrote_else(&s->window, (size_t)n);
    return n != 0; /* -1: the next write fails, too, and reports it */
}

/* Tell the launcher if this job is to be cancelled, paused or resumed. false: the control line
 * could not be written yet. */
static bool control_job(struct session *s, struct job *job)
{
    bool is_full = s->window.numbered && parts_are_full(job);

    assert(!job->tombstone);

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

/* Write all control lines that are due (lines to the launcher about a job that it has, such as
 * "cancel"). false: not all could be written yet. */
static bool write_controls(struct session *s)
{
    list_each(node, &s->window.jobs) {
        struct job *job = list_item(node, struct job, node);

        if (job == s->window.unsent) /* the launcher does not have this and later lines yet */
            return true;
        if (!job->tombstone && !control_job(s, job))
            return false;
    }
    return true;
}

void give_controls(struct session *s)
{
    if (!s->holder.asked || !stdin_pipe_is_open(&s->channel.in))
        return;
    if (s->takes_control && !write_controls(s))
        wait_for_room(s);
    else
        s->holder.asked = s->window.unsent != NULL;
}

/* ---- an idle process ---- */

/* Ask an idle process whether it still reads: by a control line that names no activation, or by an
 * empty line. */
static void ask_idle(struct session *s)
{
    assert(s->window.n == 0);
    assert(s->reads_by_ms == 0);
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
    /* The input of a zygote is not open: worker_hand_over_input() has moved our end elsewhere. */
    if (stdin_pipe_is_open(&s->channel.in) && s->reads_by_ms == 0 && !s->window.sent_brace &&
        stdin_pipe_unread(&s->channel.in) == 0 && (s->takes_control || s->window.numbered))
        ask_idle(s);
    return false;
}

/* ---- the question: does the process wait for its next line? ---- */

/* Write the first byte of the next line, unless that was done: every line begins with "{". */
static void write_first_byte(struct session *s)
{
    assert(s->window.unsent == NULL);
    assert(!s->window.numbered);
    if (!s->window.sent_brace && stdin_pipe_narrow(&s->channel.in) &&
        stdin_pipe_put(&s->channel.in, "{", 1) == 1)
        window_sent_brace(&s->window);
}

/* Call when the process waits for its next line: take its answer from the output so far or, if that
 * output is faulty (channel_oddity()), end the activation as malformed. is_certain: the process is
 * known to wait for input and nothing else. */
static void conclude(struct session *s, bool is_certain)
{
    enum channel_odd odd;

    assert(s->window.n == 1);
    (void)channel_pull(&s->channel);
    hear(s); /* an answer on descriptor 3 ends the activation here; a line may become undecided */
    channel_decide(&s->channel, is_certain);
    hear(s);
    odd = channel_oddity(&s->channel);
    if (window_awaits_answer(&s->window) && odd != ODD_NOTHING)
        hear_malformed(s, channel_oddity_text(odd));
    s->question = (struct question){0};
}

/* Find out whether the process waits for its next line. Returns the time of loop_now_us() at which
 * to look again. UINT64_MAX: set no timer. If the first byte of the next line was written, look
 * again when the pipe has room: that means that the process has read the byte. */
static uint64_t ask(struct session *s)
{
    struct question *question = &s->question;
    bool is_undecided = channel_is_undecided(&s->channel);
    uint64_t now_us = loop_now_us(s->loop);
    enum stdin_probe_state state = stdin_probe_look_closely(&s->stdin_probe);
    uint64_t since_us;
    bool polls;

    assert(window_awaits_answer(&s->window));
    if (question->asked_at_us == 0)
        question->asked_at_us = now_us;
    since_us = now_us - question->asked_at_us;
    if (state == STDIN_PROBE_YES) {
        conclude(s, true);
        return UINT64_MAX;
    }
    if (since_us < LOOKS_US)
        return now_us + (since_us < LOOK_US ? LOOK_US : since_us);
    polls = state == STDIN_PROBE_POLLS || state == STDIN_PROBE_AWAITS;
    /* A program blocked in poll() may wait for something other than its input, and answer later.
     * Output that is no valid answer may be a log line: do not end the activation because of it. */
    if (polls && !is_undecided)
        return UINT64_MAX;
    if (!polls && stdin_pipe_unread(&s->channel.in) == 0)
        write_first_byte(s);
    if (stdin_pipe_unread(&s->channel.in) > 0) {
        /* The first byte alone fills a narrow pipe, so room in the pipe is an event. The rest of
         * the process's own line may stay for long: look less and less often. */
        if (s->window.sent_brace && s->channel.in.narrow)
            return UINT64_MAX;
        return now_us + (since_us / 8 > AGAIN_US ? since_us / 8 : AGAIN_US);
    }
    if (question->read_at_us == 0)
        question->read_at_us = question->grace_at_us = now_us;
    if (state == STDIN_PROBE_AWAITS && now_us - question->read_at_us < AWAITS_US)
        question->grace_at_us = now_us;
    /* is_certain is false: an event loop, or a child of the process, may have read the first byte
     * while the process still waits for something else. */
    if (now_us - question->grace_at_us >= GRACE_US) {
        conclude(s, false);
        return UINT64_MAX;
    }
    return state == STDIN_PROBE_AWAITS ? now_us + AGAIN_US : question->grace_at_us + GRACE_US;
}

/* Whether to ask if the process waits for its next line: only if it has exactly one activation, and
 * has written something that may be the answer or was probably meant as one. */
static bool has_question(const struct session *s)
{
    return !session_is_lost(s) && s->window.n == 1 && window_awaits_answer(&s->window) &&
           s->window.unsent == NULL && !s->channel.kept_apart && !s->window.numbered &&
           (channel_is_undecided(&s->channel) || channel_oddity(&s->channel) != ODD_NOTHING);
}

uint64_t give_question(struct session *s)
{
    uint64_t at_us;

    if (!has_question(s)) {
        s->question = (struct question){0};
        return UINT64_MAX;
    }
    at_us = ask(s);
    assert(at_us > loop_now_us(s->loop));
    if (at_us == UINT64_MAX && s->window.sent_brace)
        wait_for_room(s);
    return at_us;
}

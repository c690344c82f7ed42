#include "worker/channel.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/ring.h"
#include "worker/line_kind.h"
#include "worker/ready.h"
#include "worker/spawn.h"

#define READ_FIRST_BYTES 16384      /* size of the first read() in pull(); most answers fit */
#define READ_MOST_BYTES  (1u << 20) /* after each full read the next is larger, up to this size */
#define PULL_MAX_BYTES   (4u << 20) /* most bytes read per descriptor and turn of the loop */
/* from this size on an unfinished log line is forwarded in pieces */
#define PASS_BYTES 65536

static void channel_check(const struct channel *channel)
{
    assert(channel->fd1.sock == NULL || channel->answers != ANSWERS_FD3);
    assert(channel->fd3.sock == NULL || channel->answers != ANSWERS_STDOUT || channel->is_guess);
    assert(!channel->is_guess || channel->answers == ANSWERS_STDOUT);
    assert(!channel->is_undecided || channel->answers != ANSWERS_FD3);
    assert(!channel->kept_apart || channel->answers != ANSWERS_AUTO);
}

static void on_out_room(struct output_waiter *waiter)
{
    struct channel *channel = container_of(waiter, struct channel, out_room);

    if (channel->fd1.sock != NULL && !channel->paused)
        loop_watch_read(&channel->fd1, channel->on_fd1);
}

void channel_init(struct channel *channel, struct output *out, struct output *err,
                  size_t answer_max_bytes)
{
    memset(channel, 0, sizeof(*channel));
    channel->ring = -1;
    stdin_pipe_init(&channel->in);
    loop_watch_init(&channel->fd1);
    loop_watch_init(&channel->fd3);
    line_init(&channel->line1, answer_max_bytes);
    line_init(&channel->line3, answer_max_bytes);
    forwarder_init(&channel->out, out);
    forwarder_init(&channel->err, err);
    list_init(&channel->out_room.node);
    channel->out_room.on_room = on_out_room;
}

void channel_open(struct channel *channel, struct loop *loop, const struct spawned *spawned,
                  enum answers answers, loop_watch_fn *on_fd1, loop_watch_fn *on_fd3)
{
    assert(channel_ended(channel)); /* the pipes of the previous process are closed */
    assert(channel->ring < 0);
    channel->answers = answers;
    channel->on_fd1 = on_fd1;
    channel->on_fd3 = on_fd3;
    channel->parts = channel->paused = channel->cut3 = channel->uses_ring = false;
    channel->ring = spawned->ring;
    channel->n_read1 = channel->n_read3 = channel->n_owed = 0;
    channel->passing = channel->kept_apart = channel->is_undecided = channel->is_guess = false;
    channel->odd = ODD_NOTHING;
    stdin_pipe_open(&channel->in, loop, spawned->in);
    forwarder_open(&channel->err, loop, spawned->fd2);
    if (answers == ANSWERS_FD3) {
        forwarder_open(&channel->out, loop, spawned->fd1);
    } else {
        loop_watch_open(loop, &channel->fd1, spawned->fd1);
        loop_watch_read(&channel->fd1, on_fd1);
    }
    if (answers == ANSWERS_STDOUT) {
        forwarder_open(&channel->out, loop, spawned->fd3);
    } else {
        loop_watch_open(loop, &channel->fd3, spawned->fd3);
        loop_watch_read(&channel->fd3, on_fd3);
    }
}

/* Forward what is left in `line` to the log. Free its memory if it is larger than keep_bytes. */
static void rest_to_log(struct channel *channel, struct line *line, size_t keep_bytes)
{
    const char *text = NULL;
    size_t n = line_rest(line, &text);

    forwarder_feed(&channel->out, text, n);
    line_reset(line, keep_bytes);
}

static void line_to_log(struct channel *channel, const char *text, size_t n)
{
    forwarder_feed(&channel->out, text, n);
    forwarder_feed(&channel->out, "\n", 1);
}

static void undecided_to_log(struct channel *channel)
{
    if (channel->is_undecided)
        line_to_log(channel, buf_at(&channel->undecided), buf_len(&channel->undecided));
    channel->is_undecided = false;
}

/* From now on take all output of descriptor 3 for log. */
static void fd3_to_log(struct channel *channel)
{
    assert(channel->answers == ANSWERS_STDOUT);
    channel->is_guess = false;
    rest_to_log(channel, &channel->line3, 0);
    if (channel->fd3.sock != NULL)
        forwarder_take_over(&channel->out, &channel->fd3);
}

/* From now on answers come on the descriptor that `answers` names, log lines on the other one. */
static void fix_answers(struct channel *channel, enum answers answers)
{
    assert(channel->answers == ANSWERS_AUTO || channel->is_guess);
    channel->answers = answers;
    channel->is_guess = false;
    if (answers == ANSWERS_FD3) {
        const char *text;
        size_t n;

        undecided_to_log(channel);
        while (line_next(&channel->line1, &text, &n) == LINE_READY)
            line_to_log(channel, text, n);
        rest_to_log(channel, &channel->line1, 0);
        if (channel->fd1.sock != NULL)
            forwarder_take_over(&channel->out, &channel->fd1);
    } else {
        fd3_to_log(channel);
    }
    channel_check(channel);
}

void channel_close(struct channel *channel)
{
    undecided_to_log(channel);
    rest_to_log(channel, &channel->line1, 0);
    list_remove(&channel->out_room.node);
    stdin_pipe_close(&channel->in);
    loop_watch_close(&channel->fd1);
    loop_watch_close(&channel->fd3);
    forwarder_close(&channel->out);
    forwarder_close(&channel->err);
    line_reset(&channel->line3, 0);
    buf_done(&channel->undecided);
    fd_close(&channel->ring);
}

/* ---- reading ---- */

static bool pull(struct loop_watch *watch, struct line *line, uint64_t *n_read)
{
    size_t want = READ_FIRST_BYTES;
    size_t total = 0;

    while (watch->sock != NULL && total < PULL_MAX_BYTES) {
        ssize_t n = read(watch->fd, line_room(line, want), want);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break; /* EAGAIN: the pipe is empty */
        if (n == 0) {
            loop_watch_close(watch); /* a pipe at its end would be ready for ever */
            break;
        }
        line_added(line, (size_t)n);
        total += (size_t)n;
        if ((size_t)n < want)
            break; /* the pipe is empty: save the read that would fail with EAGAIN */
        want = want < READ_MOST_BYTES ? want * 4 : want;
        assert(want <= READ_MOST_BYTES);
    }
    *n_read += total;
    return total > 0;
}

bool channel_hold_up(struct channel *channel)
{
    if (channel->fd1.sock == NULL || channel->kept_apart ||
        !output_wait(channel->out.output, &channel->out_room))
        return false;
    loop_watch_read(&channel->fd1, NULL);
    return true;
}

void channel_pause(struct channel *channel, bool paused)
{
    if (channel->paused == paused)
        return;
    channel->paused = paused;
    if (channel->fd1.sock != NULL)
        loop_watch_read(&channel->fd1, paused ? NULL : channel->on_fd1);
    if (channel->fd3.sock != NULL)
        loop_watch_read(&channel->fd3, paused ? NULL : channel->on_fd3);
}

bool channel_pull(struct channel *channel)
{
    bool came3, came1;

    if (channel->paused)
        return false;
    came3 = pull(&channel->fd3, &channel->line3, &channel->n_read3);
    came1 = pull(&channel->fd1, &channel->line1, &channel->n_read1);
    return came1 || came3;
}

void channel_announced(struct channel *channel, const struct ready *ready)
{
    channel->kept_apart = ready->pipeline > 0 || ready->concurrent > 0;
    channel->parts = ready->parts;
    channel->uses_ring = ready->ring && channel->ring >= 0;
    /* A ready line that announces a feature comes from a launcher, which writes its answers on the
     * same descriptor. A bare {"ok":true} on descriptor 1 may be a log line: it decides nothing. */
    if (channel->answers == ANSWERS_AUTO &&
        (channel->kept_apart || ready->parts || ready->control || ready->ring))
        fix_answers(channel, ANSWERS_STDOUT);
}

void channel_pull_ring(struct channel *channel)
{
    bool on_fd3 = channel->answers == ANSWERS_FD3;
    struct line *line = on_fd3 ? &channel->line3 : &channel->line1;
    uint64_t at = on_fd3 ? channel->n_read3 : channel->n_read1;
    uint64_t end;

    assert(!channel->uses_ring || channel->ring >= 0);
    if (!channel->uses_ring || channel->answers == ANSWERS_AUTO ||
        pread(channel->ring, &end, sizeof(end), offsetof(struct ring, end)) != sizeof(end) ||
        end <= at || end - at > RING_BYTES) /* the pipe brought all answers, or `end` is wrong */
        return;
    while (at < end) {
        size_t offset = at % RING_BYTES;
        size_t want = end - at < RING_BYTES - offset ? (size_t)(end - at) : RING_BYTES - offset;
        ssize_t n = pread(channel->ring, line_room(line, want), want,
                          (off_t)(offsetof(struct ring, bytes) + offset));

        if (n <= 0)
            break;
        line_added(line, (size_t)n);
        at += (uint64_t)n;
    }
}

/* ---- descriptor 3 ---- */

static enum channel_result next3(struct channel *channel, enum channel_wanted wanted,
                                 const char **text, size_t *n)
{
    assert(channel->answers != ANSWERS_STDOUT);
    for (;;) {
        enum line_result result = line_next(&channel->line3, text, n);

        if (result == LINE_NONE)
            return CHANNEL_NONE;
        if (channel->answers == ANSWERS_AUTO)
            fix_answers(channel, ANSWERS_FD3);
        if (channel->cut3) {
            channel->cut3 = false;
            if (!(result == LINE_READY ? line_is_answer(*text, *n) : line_may_be_answer(*text, *n)))
                continue;
        }
        if (channel->n_owed > 0) { /* drop it: its client got a line of descriptor 1 */
            channel->n_owed--;
            channel->n_stale++;
            continue;
        }
        if (wanted != WANT_NOTHING)
            return result == LINE_READY ? CHANNEL_LINE : CHANNEL_TOO_LONG;
        if (!channel->in.got_line && result == LINE_READY && line_is_announcement(*text, *n))
            return CHANNEL_LINE;
        channel->n_stale++;
    }
}

/* ---- descriptor 1 ---- */

/* Whether a line on descriptor 1 is what the caller wants; all other lines are log. */
static bool is_wanted(const struct channel *channel, enum channel_wanted wanted, const char *text,
                      size_t n)
{
    switch (wanted) {
    case WANT_ANSWER:
        if (channel->kept_apart) /* every line on descriptor 1 is an answer, valid or not */
            return true;
        return line_is_answer(text, n) || channel_is_part(channel, text, n);
    case WANT_READY:
        return line_is_announcement_among_logs(text, n);
    case WANT_NOTHING:
        return !channel->in.got_line && line_is_announcement_among_logs(text, n);
    }
    return false;
}

/* Remember why a line was not accepted as an answer although it looks like one. Only the first such
 * line counts. */
static void note_oddity(struct channel *channel, const char *text, size_t n)
{
    struct json_fault fault = {0, ""};

    if (channel->odd != ODD_NOTHING)
        return;
    if (line_has_bom(text, n))
        channel->odd = ODD_BOM;
    else if (line_looks_like_answer(text, n) && json_check(text, n, &fault) == JSON_BAD)
        channel->odd = fault.at < n && (unsigned char)text[fault.at] >= 0x80 ? ODD_UTF8 : ODD_JSON;
}

/* Forward what has come of a long log line on descriptor 1. false: its end has not come yet. */
static bool pass_on(struct channel *channel)
{
    const char *text;
    size_t n = line_rest(&channel->line1, &text);
    const char *newline = n > 0 ? memchr(text, '\n', n) : NULL;

    n = newline != NULL ? (size_t)(newline - text) + 1 : n;
    forwarder_feed(&channel->out, text, n);
    line_skip(&channel->line1, n);
    channel->passing = newline == NULL;
    return newline != NULL;
}

/* Whether the next line of descriptor 1 must be forwarded in pieces: a long log line is neither
 * held in memory nor refused as too long an answer. Never true for a line that may be an answer. */
static bool is_long_log_line(const struct channel *channel)
{
    const char *text;
    size_t n = line_rest(&channel->line1, &text);

    return (n >= PASS_BYTES || n > channel->line1.max_bytes) && !channel->kept_apart &&
           !line_may_be_answer(text, n) && !channel_is_part(channel, text, n);
}

static enum channel_result next1(struct channel *channel, enum channel_wanted wanted,
                                 const char **text, size_t *n)
{
    for (;;) {
        enum line_result result;

        if ((channel->passing || is_long_log_line(channel)) && !pass_on(channel))
            return CHANNEL_NONE;
        result = line_next(&channel->line1, text, n);
        if (result == LINE_NONE)
            return CHANNEL_NONE;
        if (result == LINE_TOO_LONG) {
            if (wanted != WANT_NOTHING)
                return CHANNEL_TOO_LONG;
            continue;
        }
        if (is_wanted(channel, wanted, *text, *n))
            return CHANNEL_LINE;
        if (wanted == WANT_NOTHING && (channel->in.got_line || channel->kept_apart) &&
            (line_is_answer(*text, *n) || channel_is_part(channel, *text, *n))) {
            channel->n_stale++;
            /* Where each line is an answer, this may be another client's result: do not log it. */
            if (channel->kept_apart)
                continue;
        }
        if (wanted == WANT_ANSWER)
            note_oddity(channel, *text, *n);
        line_to_log(channel, *text, *n);
    }
}

/* ---- both descriptors ---- */

/* Look at the next line without handing it out. true: n is its length without the newline. false:
 * the newline has not come yet, and n is the number of bytes so far. text points into line's buffer
 * and is valid until bytes are added to the buffer. */
static bool peek_line(const struct line *line, const char **text, size_t *n)
{
    const char *newline;

    *n = line_rest(line, text);
    newline = *n > 0 ? memchr(*text, '\n', *n) : NULL;
    if (newline != NULL)
        *n = (size_t)(newline - *text);
    return newline != NULL;
}

/* Whether a whole line was read that is not handed out yet. */
static bool has_line(const struct line *line)
{
    const char *text;
    size_t n;

    return peek_line(line, &text, &n);
}

/* Call with ANSWERS_AUTO for a line of descriptor 1 that the caller wants. If it may be the answer,
 * hold it until channel_decide() is called: an answer that comes on descriptor 3 before that wins.
 * A ready line is handed out at once, and decides nothing. An answer that is too long is handed out
 * at once, too, but decides that answers come on descriptor 1. */
static enum channel_result hold_until_decided(struct channel *channel, enum channel_result result,
                                              enum channel_wanted wanted, const char **text,
                                              size_t *n)
{
    assert(channel->answers == ANSWERS_AUTO && !channel->is_undecided);
    (void)pull(&channel->fd3, &channel->line3, &channel->n_read3);
    if (has_line(&channel->line3)) {
        if (result == CHANNEL_LINE)
            line_to_log(channel, *text, *n);
        return next3(channel, wanted, text, n);
    }
    if (wanted != WANT_ANSWER)
        return result;
    if (result != CHANNEL_LINE) {
        fix_answers(channel, ANSWERS_STDOUT);
        return result;
    }
    buf_reset(&channel->undecided, PASS_BYTES);
    buf_add(&channel->undecided, *text, *n);
    channel->is_undecided = true;
    return CHANNEL_NONE;
}

static enum channel_result take_undecided(struct channel *channel, const char **text, size_t *n)
{
    assert(channel->is_undecided);
    channel->is_undecided = false;
    *text = buf_at(&channel->undecided);
    *n = buf_len(&channel->undecided);
    return CHANNEL_LINE;
}

void channel_decide(struct channel *channel, bool is_certain)
{
    const char *text;
    size_t n;

    if (!channel->is_undecided || peek_line(&channel->line3, &text, &n) ||
        line_may_be_answer(text, n))
        return;
    if (is_certain) {
        fix_answers(channel, ANSWERS_STDOUT);
    } else {
        channel->answers = ANSWERS_STDOUT;
        channel->is_guess = true;
        channel_check(channel);
    }
}

/* We guess that answers come on descriptor 1. Check that by the first line on descriptor 3: an
 * answer overrules the guess, any other line is log and confirms it. */
static void check_guess(struct channel *channel)
{
    const char *text;
    size_t n;
    bool is_whole = peek_line(&channel->line3, &text, &n);

    assert(channel->is_guess);
    if (is_whole && line_is_answer(text, n))
        fix_answers(channel, ANSWERS_FD3);
    else if (is_whole || (n > 0 && !line_may_be_answer(text, n)) || n > channel->line3.max_bytes)
        fd3_to_log(channel);
}

static enum channel_result next_line(struct channel *channel, enum channel_wanted wanted,
                                     const char **text, size_t *n)
{
    enum channel_result result = CHANNEL_NONE;

    if (channel->is_undecided &&
        channel->answers == ANSWERS_STDOUT) /* channel_decide() chose fd1 */
        return take_undecided(channel, text, n);
    if (channel->is_guess)
        check_guess(channel);
    if (channel->answers != ANSWERS_STDOUT) {
        result = next3(channel, wanted, text, n);
        if (result != CHANNEL_NONE)
            return result;
    }
    if (channel->answers != ANSWERS_FD3 && !channel->is_undecided) {
        result = next1(channel, wanted, text, n);
        if (result != CHANNEL_NONE && channel->answers == ANSWERS_AUTO)
            return hold_until_decided(channel, result, wanted, text, n);
    }
    return result;
}

enum channel_result channel_next(struct channel *channel, enum channel_wanted wanted,
                                 const char **text, size_t *n)
{
    enum channel_result result = next_line(channel, wanted, text, n);

    if (channel->is_guess && wanted == WANT_ANSWER && result != CHANNEL_NONE)
        channel->n_owed++; /* if the guess is wrong, this answer is still to come on fd3 */
    channel_check(channel);
    return result;
}

void channel_refuse_undecided(struct channel *channel)
{
    if (!channel->is_undecided)
        return;
    undecided_to_log(channel);
    rest_to_log(channel, &channel->line1, 0);
}

enum channel_result channel_rest(struct channel *channel, const char **text, size_t *n)
{
    if (channel->answers != ANSWERS_STDOUT) {
        *n = line_rest(&channel->line3, text);
        if (*n > 0 && line_is_answer(*text, *n))
            return CHANNEL_LINE;
    }
    if (channel->is_undecided)
        return take_undecided(channel, text, n);
    if (channel->answers != ANSWERS_FD3) {
        *n = line_rest(&channel->line1, text);
        if (*n > 0 && line_is_answer(*text, *n)) {
            line_skip(&channel->line1, *n); /* keep the answer out of the log; *text stays valid */
            return CHANNEL_LINE;
        }
        rest_to_log(channel, &channel->line1, 0); /* no answer: log it before the sentinel */
    }
    return CHANNEL_NONE;
}

enum channel_odd channel_oddity(const struct channel *channel)
{
    const char *text = NULL;

    if (channel->odd != ODD_NOTHING)
        return channel->odd;
    if (channel->answers != ANSWERS_STDOUT && !channel->cut3 &&
        line_rest(&channel->line3, &text) > 0)
        return ODD_OPEN;
    if (channel->answers != ANSWERS_FD3) {
        size_t n = line_rest(&channel->line1, &text);

        if (n > 0 && !channel->passing &&
            (line_looks_like_answer(text, n) || line_has_bom(text, n)))
            return ODD_OPEN;
    }
    return ODD_NOTHING;
}

const char *channel_oddity_text(enum channel_odd odd)
{
    static const char *const texts[] = {
        [ODD_NOTHING] = "nothing",
        [ODD_BOM] = "a byte order mark in front of its answer, which must be JSON in UTF-8",
        [ODD_UTF8] = "a line with bytes that are not UTF-8; an answer is JSON in UTF-8",
        [ODD_JSON] = "a line that is no whole JSON document; an answer must stand on one line",
        [ODD_OPEN] = "an answer without a newline at its end",
    };

    assert(odd < ARRAY_LEN(texts));
    return texts[odd];
}

void channel_drop_rest(struct channel *channel)
{
    undecided_to_log(channel);
    if (channel->answers != ANSWERS_STDOUT && line_drop(&channel->line3))
        channel->cut3 = true;
    if (channel->answers != ANSWERS_FD3) {
        rest_to_log(channel, &channel->line1, SIZE_MAX);
        channel->passing = false;
    }
}

/* A single poll() asks both log pipes first: for most activations both are empty. */
void channel_settle_log_lines(struct channel *channel)
{
    struct forwarder *const logs[] = {&channel->out, &channel->err};
    struct pollfd fds[ARRAY_LEN(logs)];

    for (size_t i = 0; i < ARRAY_LEN(logs); i++)
        fds[i] = (struct pollfd){.fd = forwarder_is_open(logs[i]) ? logs[i]->watch.fd : -1,
                                 .events = POLLIN};
    if (poll(fds, ARRAY_LEN(fds), 0) == 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(logs); i++)
        forwarder_settle_lines(logs[i]);
}

void channel_settle_logs(struct channel *channel)
{
    channel_settle_log_lines(channel);
    forwarder_end_line(&channel->out);
    forwarder_end_line(&channel->err);
}

#include "worker/channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/json.h"
#include "base/ring.h"
#include "worker/ready.h"
#include "worker/spawn.h"

#define READ_FIRST_BYTES 16384      /* room for the first read of a turn; most answers fit */
#define READ_MOST_BYTES  (1u << 20) /* room for one read once answers prove large */
#define PULL_MAX_BYTES   (4u << 20) /* read per descriptor and turn, so that others get theirs */
#define VAIN_MAX         3          /* a pipe of one page is not told writable before it is empty */
#define PASS_BYTES       65536 /* a log line on the answer channel is forwarded in such pieces */

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
    loop_watch_init(&channel->in);
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
    channel->loop = loop;
    channel->answers = answers;
    channel->on_fd1 = on_fd1;
    channel->on_fd3 = on_fd3;
    channel->parts = channel->paused = false;
    channel->ring = spawned->ring;
    channel->uses_ring = false;
    channel->n_read1 = channel->n_read3 = 0;
    channel->fed = channel->passing = channel->kept_apart = channel->question = false;
    channel->narrow = channel->cannot_narrow = channel->is_held = false;
    channel->n_vain = 0;
    channel->odd = ODD_NOTHING;
    channel->n_written = channel->read_up_to = 0;
    loop_watch_open(loop, &channel->in, spawned->in);
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

/* What stands on an answer descriptor belongs to the log once nobody cuts it into lines. */
static void rest_to_log(struct channel *channel, struct line *line)
{
    const char *text = NULL;
    size_t n = line_rest(line, &text);

    forwarder_feed(&channel->out, text, n);
    line_reset(line, 0);
}

static void held_to_log(struct channel *channel)
{
    if (!channel->is_held)
        return;
    forwarder_feed(&channel->out, buf_at(&channel->held), buf_len(&channel->held));
    forwarder_feed(&channel->out, "\n", 1);
    channel->is_held = false;
}

/* The answers come on this descriptor from now on; the other one carries log lines. */
static void fix_answers(struct channel *channel, enum answers answers)
{
    assert(channel->answers == ANSWERS_AUTO);
    channel->answers = answers;
    if (answers == ANSWERS_FD3) {
        const char *text;
        size_t n;

        held_to_log(channel);
        while (line_next(&channel->line1, &text, &n) == LINE_READY) {
            forwarder_feed(&channel->out, text, n);
            forwarder_feed(&channel->out, "\n", 1);
        }
        rest_to_log(channel, &channel->line1);
        if (channel->fd1.sock != NULL)
            forwarder_take_over(&channel->out, &channel->fd1);
    } else {
        rest_to_log(channel, &channel->line3);
        if (channel->fd3.sock != NULL)
            forwarder_take_over(&channel->out, &channel->fd3);
    }
}

void channel_close_input(struct channel *channel)
{
    loop_watch_close(&channel->in);
}

void channel_hand_over_input(struct channel *channel, struct loop_watch *to)
{
    loop_watch_write(&channel->in, NULL);
    loop_watch_move(&channel->in, to);
}

void channel_close(struct channel *channel)
{
    held_to_log(channel);
    rest_to_log(channel, &channel->line1);
    list_remove(&channel->out_room.node);
    loop_watch_close(&channel->in);
    loop_watch_close(&channel->fd1);
    loop_watch_close(&channel->fd3);
    forwarder_close(&channel->out);
    forwarder_close(&channel->err);
    line_reset(&channel->line3, 0);
    fd_close(&channel->ring);
}

void channel_done(struct channel *channel)
{
    channel_close(channel);
    line_done(&channel->line1);
    line_done(&channel->line3);
    buf_done(&channel->held);
}

ssize_t channel_write(struct channel *channel, const struct iovec *lines, int n_lines)
{
    ssize_t n;

    assert(channel->in.sock != NULL);
    channel->fed = true;
    do {
        n = writev(channel->in.fd, lines, n_lines);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : -1;
    channel->n_written += (size_t)n;
    return n;
}

bool channel_tell(struct channel *channel, struct buf *bytes)
{
    struct iovec line = {bytes->bytes + bytes->start, buf_len(bytes)};
    bool fed = channel->fed;
    ssize_t n = channel_write(channel, &line, 1);

    channel->fed = fed;
    if (n > 0)
        buf_drop(bytes, (size_t)n);
    return n >= 0;
}

ssize_t channel_probe(struct channel *channel, struct iovec part)
{
    bool fed = channel->fed;
    ssize_t n = part.iov_len > 0 ? channel_write(channel, &part, 1) : 0;

    channel->fed = fed;
    return n;
}

bool channel_narrow(struct channel *channel)
{
    if (channel->narrow || channel->cannot_narrow)
        return channel->narrow;
    channel->wide_bytes = fcntl(channel->in.fd, F_GETPIPE_SZ);
    channel->narrow =
        channel->wide_bytes > 0 && fcntl(channel->in.fd, F_SETPIPE_SZ, CHANNEL_NARROW_BYTES) > 0;
    channel->cannot_narrow = !channel->narrow;
    return channel->narrow;
}

/* Refused beyond the user's share of pipe memory: then it stays as it is, and is slower. */
void channel_widen(struct channel *channel)
{
    if (channel->narrow)
        (void)fcntl(channel->in.fd, F_SETPIPE_SZ, channel->wide_bytes);
    channel->narrow = false;
}

static size_t unread(const struct channel *channel)
{
    int n = 0;

    if (channel->in.sock == NULL || ioctl(channel->in.fd, FIONREAD, &n) < 0 || n < 0)
        return 0;
    return (size_t)n;
}

static uint64_t n_read(const struct channel *channel)
{
    return channel->n_written - unread(channel);
}

/* Of n bytes that are unread, those of lines: the question is what the worker must read, unless
 * there was something else. */
static size_t of_lines(const struct channel *channel, size_t n)
{
    return channel->question && channel->n_written - n < channel->read_up_to ? n - 1 : n;
}

void channel_saw_room(struct channel *channel)
{
    channel->n_vain = channel->narrow && unread(channel) > 0 ? channel->n_vain + 1 : 0;
    if (channel->n_vain >= VAIN_MAX) {
        channel_widen(channel);
        channel->cannot_narrow = true;
    }
}

size_t channel_unread(const struct channel *channel)
{
    return of_lines(channel, unread(channel));
}

bool channel_has_read(const struct channel *channel)
{
    return n_read(channel) > 0;
}

bool channel_take_back(struct channel *channel, size_t *n_unread)
{
    size_t most = unread(channel); /* nobody else writes there */
    auto_free char *bytes = NULL;
    auto_fd int fd = -1;
    ssize_t n;

    *n_unread = 0;
    if (most == 0)
        return true;
    fd = fd_reopen(channel->in.fd, O_RDONLY);
    if (fd < 0) {
        *n_unread = channel_unread(channel);
        return false;
    }
    bytes = xmalloc(most);
    do {
        n = read(fd, bytes, most); /* the kernel lets nobody else read meanwhile */
    } while (n < 0 && errno == EINTR);
    *n_unread = of_lines(channel, n > 0 ? (size_t)n : 0); /* the worker may have been quicker */
    return true;
}

void channel_ask(struct channel *channel, bool between_lines)
{
    struct iovec empty_line = {(char[]){'\n'}, 1};

    if (channel->read_up_to > 0)
        return;
    channel->read_up_to = n_read(channel) + 1;
    if (between_lines && unread(channel) == 0)
        channel->question = channel_write(channel, &empty_line, 1) > 0;
}

bool channel_reads(struct channel *channel)
{
    if (n_read(channel) < channel->read_up_to)
        return false;
    channel->read_up_to = 0;
    channel->question = false;
    return true;
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
            break; /* EAGAIN */
        if (n == 0) {
            loop_watch_close(watch); /* it would be ready for ever */
            break;
        }
        line_added(line, (size_t)n);
        total += (size_t)n;
        if ((size_t)n < want)
            break; /* the pipe is empty: saves the read that would say so */
        want = want < READ_MOST_BYTES ? want * 4 : want;
    }
    *n_read += total;
    return total > 0;
}

bool channel_hold_up(struct channel *channel)
{
    struct output *output = channel->out.output;

    if (channel->fd1.sock == NULL || channel->kept_apart || !output_is_full(output))
        return false;
    loop_watch_read(&channel->fd1, NULL);
    if (list_empty(&channel->out_room.node))
        output_wait(output, &channel->out_room);
    return true;
}

void channel_pause(struct channel *channel)
{
    channel->paused = true;
    if (channel->fd1.sock != NULL)
        loop_watch_read(&channel->fd1, NULL);
    if (channel->fd3.sock != NULL)
        loop_watch_read(&channel->fd3, NULL);
}

void channel_resume(struct channel *channel)
{
    if (!channel->paused)
        return;
    channel->paused = false;
    if (channel->fd1.sock != NULL)
        loop_watch_read(&channel->fd1, channel->on_fd1);
    if (channel->fd3.sock != NULL)
        loop_watch_read(&channel->fd3, channel->on_fd3);
}

bool channel_pull(struct channel *channel)
{
    bool came3, came1;

    if (channel->paused)
        return false;
    /* Descriptor 3 first: in auto mode it wins when both carry something. */
    came3 = pull(&channel->fd3, &channel->line3, &channel->n_read3);
    came1 = pull(&channel->fd1, &channel->line1, &channel->n_read1);
    return came1 || came3;
}

void channel_announced(struct channel *channel, const struct ready *ready)
{
    channel->kept_apart = ready->pipeline > 0 || ready->concurrent > 0;
    channel->parts = ready->parts;
    channel->uses_ring = ready->ring && channel->ring >= 0;
}

void channel_pull_ring(struct channel *channel)
{
    bool on_fd3 = channel->answers == ANSWERS_FD3;
    struct line *line = on_fd3 ? &channel->line3 : &channel->line1;
    uint64_t at = on_fd3 ? channel->n_read3 : channel->n_read1;
    uint64_t end;

    if (!channel->uses_ring || channel->answers == ANSWERS_AUTO ||
        pread(channel->ring, &end, sizeof(end), offsetof(struct ring, end)) != sizeof(end) ||
        end <= at || end - at > RING_BYTES) /* nothing, or nonsense */
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
    channel->uses_ring = false; /* once */
}

static bool is_blank(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            return false;
    return true;
}

/* A cheap look before the whole document is checked. */
static bool may_be_answer(const char *text, size_t n)
{
    size_t i = 0;

    while (i < n && (text[i] == ' ' || text[i] == '\t'))
        i++;
    return i < n && (text[i] == '{' || text[i] == '[');
}

static bool is_answer(const char *text, size_t n)
{
    enum json_kind kind;

    if (!may_be_answer(text, n))
        return false;
    kind = json_check(text, n, NULL);
    return kind == JSON_OBJECT || kind == JSON_ARRAY;
}

static bool is_announcement(const char *text, size_t n)
{
    struct json_slice ok;

    return may_be_answer(text, n) && json_check(text, n, NULL) == JSON_OBJECT &&
           json_member(json_top(text, n), "ok", &ok);
}

/* ---- descriptor 3 ---- */

static enum channel_result next3(struct channel *channel, enum channel_wanted wanted,
                                 const char **text, size_t *n)
{
    for (;;) {
        enum line_result result = line_next(&channel->line3, text, n);

        if (result == LINE_NONE)
            return CHANNEL_NONE;
        if (channel->answers == ANSWERS_AUTO)
            fix_answers(channel, ANSWERS_FD3);
        if (wanted != WANT_NOTHING)
            return result == LINE_READY ? CHANNEL_LINE : CHANNEL_TOO_LONG;
        if (!channel->fed && result == LINE_READY && is_announcement(*text, *n))
            return CHANNEL_LINE;
        channel->n_stale++;
    }
}

/* ---- descriptor 1 ---- */

/* Whether a line on descriptor 1 is what is wanted; all else there is a log line. */
static bool is_wanted(const struct channel *channel, enum channel_wanted wanted, const char *text,
                      size_t n)
{
    switch (wanted) {
    case WANT_ANSWER:
        if (channel->kept_apart)
            return !is_blank(text, n);
        return is_answer(text, n) || channel_is_part(channel, text, n);
    case WANT_READY:
        return is_announcement(text, n);
    case WANT_NOTHING:
        return !channel->fed && is_announcement(text, n);
    }
    return false;
}

static bool has_bom(const char *text, size_t n)
{
    static const char bom[] = "\xef\xbb\xbf";

    return n >= sizeof(bom) - 1 && memcmp(text, bom, sizeof(bom) - 1) == 0;
}

/* Why a line that was not taken for an answer may have been meant as one. The first one counts. */
static void note_oddity(struct channel *channel, const char *text, size_t n)
{
    struct json_fault fault = {0, ""};

    if (channel->odd != ODD_NOTHING)
        return;
    if (has_bom(text, n))
        channel->odd = ODD_BOM;
    else if (may_be_answer(text, n) && json_check(text, n, &fault) == JSON_BAD)
        channel->odd = fault.at < n && (unsigned char)text[fault.at] >= 0x80 ? ODD_UTF8 : ODD_JSON;
}

/* The rest of a line whose start went to the log already. false: its end is not here yet. */
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

/* A log line that is long must not be kept whole, or taken for an answer that is too long; a line
 * that may be an answer must. */
static bool is_long_log_line(const struct channel *channel)
{
    const char *text;
    size_t n = line_rest(&channel->line1, &text);

    return (n >= PASS_BYTES || n > channel->line1.max_bytes) && !channel->kept_apart &&
           !may_be_answer(text, n) && !channel_is_part(channel, text, n);
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
        if (wanted == WANT_NOTHING && (channel->fed || channel->kept_apart) &&
            (is_answer(*text, *n) || channel_is_part(channel, *text, *n))) {
            channel->n_stale++;
            /* It may be half of somebody's answer: not for a log that others read. */
            if (channel->kept_apart)
                continue;
        }
        if (wanted == WANT_ANSWER)
            note_oddity(channel, *text, *n);
        forwarder_feed(&channel->out, *text, *n);
        forwarder_feed(&channel->out, "\n", 1);
    }
}

/* ---- both ---- */

/* Whether a whole line stands there, unread. */
static bool has_line(const struct line *line)
{
    const char *text;
    size_t n = line_rest(line, &text);

    return n > 0 && memchr(text, '\n', n) != NULL;
}

/* In auto mode this line on descriptor 1 would be the answer. That it is not known before the
 * process is back at its input; a word about its start is taken as it comes. */
static enum channel_result hold(struct channel *channel, enum channel_result result,
                                enum channel_wanted wanted, const char **text, size_t *n)
{
    (void)pull(&channel->fd3, &channel->line3, &channel->n_read3);
    if (has_line(&channel->line3)) {
        if (result == CHANNEL_LINE) {
            forwarder_feed(&channel->out, *text, *n);
            forwarder_feed(&channel->out, "\n", 1);
        }
        return next3(channel, wanted, text, n);
    }
    if (wanted != WANT_ANSWER || result != CHANNEL_LINE) {
        fix_answers(channel, ANSWERS_STDOUT);
        return result;
    }
    buf_reset(&channel->held, PASS_BYTES);
    buf_add(&channel->held, *text, *n);
    channel->is_held = true;
    return CHANNEL_NONE;
}

void channel_decide(struct channel *channel)
{
    const char *text;
    size_t n;

    (void)channel_pull(channel);
    n = line_rest(&channel->line3, &text);
    if (channel->is_held && !has_line(&channel->line3) && !may_be_answer(text, n))
        fix_answers(channel, ANSWERS_STDOUT);
}

enum channel_result channel_next(struct channel *channel, enum channel_wanted wanted,
                                 const char **text, size_t *n)
{
    enum channel_result result = CHANNEL_NONE;

    if (channel->is_held && channel->answers == ANSWERS_STDOUT) { /* it was decided */
        channel->is_held = false;
        *text = buf_at(&channel->held);
        *n = buf_len(&channel->held);
        return CHANNEL_LINE;
    }
    if (channel->answers != ANSWERS_STDOUT) {
        result = next3(channel, wanted, text, n);
        if (result != CHANNEL_NONE)
            return result;
    }
    if (channel->answers != ANSWERS_FD3 && !channel->is_held) {
        result = next1(channel, wanted, text, n);
        if (result != CHANNEL_NONE && channel->answers == ANSWERS_AUTO)
            return hold(channel, result, wanted, text, n);
    }
    return result;
}

enum channel_result channel_rest(struct channel *channel, const char **text, size_t *n)
{
    if (channel->answers != ANSWERS_STDOUT) {
        *n = line_rest(&channel->line3, text);
        if (*n > 0 && is_answer(*text, *n))
            return CHANNEL_LINE;
    }
    if (channel->is_held) {
        channel->is_held = false;
        *text = buf_at(&channel->held);
        *n = buf_len(&channel->held);
        return CHANNEL_LINE;
    }
    if (channel->answers != ANSWERS_FD3) {
        *n = line_rest(&channel->line1, text);
        if (*n > 0 && is_answer(*text, *n)) {
            line_skip(&channel->line1, *n); /* an answer is no log line; its bytes stay in place */
            return CHANNEL_LINE;
        }
        rest_to_log(channel, &channel->line1); /* before the sentinel that follows */
    }
    return CHANNEL_NONE;
}

enum channel_odd channel_oddity(const struct channel *channel)
{
    const char *text = NULL;

    if (channel->odd != ODD_NOTHING)
        return channel->odd;
    if (channel->answers != ANSWERS_STDOUT && line_rest(&channel->line3, &text) > 0)
        return ODD_OPEN;
    if (channel->answers != ANSWERS_FD3) {
        size_t n = line_rest(&channel->line1, &text);

        if (n > 0 && !channel->passing && (may_be_answer(text, n) || has_bom(text, n)))
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

    return texts[odd];
}

void channel_drop_rest(struct channel *channel)
{
    const char *text = NULL;
    size_t n;

    channel->odd = ODD_NOTHING;
    held_to_log(channel);
    if (channel->answers != ANSWERS_STDOUT)
        line_skip(&channel->line3, line_rest(&channel->line3, &text));
    if (channel->answers != ANSWERS_FD3) {
        n = line_rest(&channel->line1, &text);
        forwarder_feed(&channel->out, text, n);
        line_skip(&channel->line1, n);
    }
}

/* Take in what stands in the log pipes. One poll() for both: most activations log nothing. */
static void pull_logs(struct channel *channel)
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
    pull_logs(channel);
    forwarder_end_line(&channel->out);
    forwarder_end_line(&channel->err);
}

void channel_settle_log_lines(struct channel *channel)
{
    pull_logs(channel);
}

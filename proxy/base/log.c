/*
 * Each line is one write(), so that lines of other processes do not get into its middle. Our own
 * log file is opened non-blocking. stderr is shared with other processes, so it stays blocking, and
 * poll() tells whether a line can be written.
 */

#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/sentinel.h"
#include "base/util.h"

/* A pipe that poll() reports writable takes this much without blocking. */
#define LINE_MAX_BYTES PIPE_BUF
#define TEXT_MAX_BYTES 512 /* longest text of a field; JSON escapes may make it six times as long */
#define CUT_JSON       ",\"cut\":true"
#define CUT_TEXT       " cut=true"
#define END_BYTES      16 /* room for CUT_JSON or CUT_TEXT, the brace and the newline */

static const char *const level_names[] = {"off", "error", "warn", "info", "debug"};

enum log_level log_threshold = LOG_WARN;

static struct {
    enum log_format format;
    const char *path; /* path of the log file, borrowed; NULL: lines go to stderr */
    int fd;
    bool torn;         /* the last write() left an incomplete line */
    int64_t n_dropped; /* lines dropped since the last one written */
} out = {.fd = STDERR_FILENO};

int log_level_from_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++)
        if (strcmp(name, level_names[i]) == 0)
            return (int)i;
    return -1;
}

void log_set_level(enum log_level level)
{
    assert(level < ARRAY_LEN(level_names));
    log_threshold = level;
}

void log_set_format(enum log_format format)
{
    out.format = format;
}

/* ---- where lines go ---- */

int log_open(const char *path, struct err *err)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640);

    if (fd < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot open the log \"%s\" (--log-file): %s", path,
                       strerror(errno));
    (void)signal(SIGXFSZ, SIG_IGN); /* it would kill us when we write beyond RLIMIT_FSIZE */
    log_close();
    out.path = path;
    out.fd = fd;
    return 0;
}

int log_reopen(struct err *err)
{
    return out.path != NULL ? log_open(out.path, err) : 0;
}

bool log_has_file(void)
{
    return out.path != NULL;
}

void log_close(void)
{
    if (out.path != NULL)
        (void)close(out.fd);
    out.path = NULL;
    out.fd = STDERR_FILENO;
    out.torn = false;
}

/* Write one line. false: it was not written, or only in part. */
static bool put(const struct buf *line)
{
    struct pollfd poll_fd = {.fd = out.fd, .events = POLLOUT};
    ssize_t n;

    assert(line->bytes[line->end - 1] == '\n');
    if (out.path == NULL && (poll(&poll_fd, 1, 0) <= 0 || (poll_fd.revents & POLLOUT) == 0))
        return false;
    do
        n = write(out.fd, buf_at(line), buf_len(line));
    while (n < 0 && errno == EINTR);
    if (n > 0)
        out.torn = (size_t)n < buf_len(line);
    return n == (ssize_t)buf_len(line);
}

/* ---- what a line looks like ---- */

static void add_time(struct buf *line)
{
    struct timespec now;
    struct tm parts;
    char text[32];
    size_t n;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &parts);
    n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    /* Milliseconds are too coarse for level debug, which logs each activation: some take only a few
     * microseconds. */
    if (log_threshold >= LOG_DEBUG)
        (void)snprintf(text + n, sizeof(text) - n, ".%06dZ", (int)(now.tv_nsec / 1000));
    else
        (void)snprintf(text + n, sizeof(text) - n, ".%03dZ", (int)(now.tv_nsec / 1000000));
    buf_add_text(line, text);
}

static void add_head(struct buf *line, enum log_level level, const char *event)
{
    bool json = out.format == LOG_AS_JSON;

    if (out.torn)
        buf_add(line, "\n", 1);
    buf_add_text(line, json ? "{\"time\":\"" : out.path == NULL ? "whiskloop: " : "");
    add_time(line);
    buf_add_text(line, json ? "\",\"level\":\"" : " ");
    buf_add_text(line, level_names[level]);
    buf_add_text(line, json ? "\",\"event\":\"" : " ");
    buf_add_text(line, event);
    if (json)
        buf_add(line, "\"", 1);
}

/* Whether a text needs no quotes in a log line. */
static bool is_word(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] <= ' ' || text[i] >= 0x7f || strchr("\"\\=", text[i]) != NULL)
            return false;
    return n > 0;
}

static void add_string(struct buf *line, const char *text, size_t n)
{
    char cut[TEXT_MAX_BYTES + sizeof("...")];

    if (n > TEXT_MAX_BYTES) {
        n = TEXT_MAX_BYTES;
        while (n > TEXT_MAX_BYTES - 3 && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--; /* do not cut within a UTF-8 character */
        memcpy(cut, text, n);
        memcpy(cut + n, "...", 3);
        text = cut;
        n += 3;
    }
    if (out.format == LOG_AS_TEXT && is_word(text, n))
        buf_add(line, text, n);
    else
        json_quote(line, text, n);
}

/* Append a field. false: the field is left out, since the line has no room for it. */
static bool add_field(struct buf *line, const struct log_field *field)
{
    bool json = out.format == LOG_AS_JSON;
    size_t end = line->end;
    char number[24];

    buf_add_text(line, json ? ",\"" : " ");
    buf_add_text(line, field->name);
    buf_add_text(line, json ? "\":" : "=");
    if (field->text != NULL) {
        add_string(line, field->text, field->n);
    } else {
        (void)snprintf(number, sizeof(number), "%lld", (long long)field->number);
        buf_add_text(line, number);
    }
    if (buf_len(line) <= LINE_MAX_BYTES - END_BYTES)
        return true;
    assert(line->end > end);
    line->end = end;
    return false;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    struct log_field dropped = log_int("dropped", out.n_dropped);
    bool json = out.format == LOG_AS_JSON;
    bool whole = true;
    auto_buf struct buf line = {0};
    int saved = errno; /* the caller may still need errno */

    assert(level != LOG_OFF);
    assert(level < ARRAY_LEN(level_names));
    add_head(&line, level, event);
    if (out.n_dropped > 0)
        (void)add_field(&line, &dropped);
    for (; fields->name != NULL; fields++)
        if (!fields->absent && !add_field(&line, fields))
            whole = false;
    if (!whole)
        buf_add_text(&line, json ? CUT_JSON : CUT_TEXT);
    buf_add_text(&line, json ? "}\n" : "\n");
    assert(buf_len(&line) <= LINE_MAX_BYTES);
    sentinel_disarm(line.bytes + line.start, buf_len(&line)); /* a value may contain a sentinel */
    out.n_dropped = put(&line) ? 0 : out.n_dropped + 1;
    errno = saved;
}

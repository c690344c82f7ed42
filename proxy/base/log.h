#pragma once

/*
 * log - the proxy's own log, one line per event: time, level, event, fields.
 *
 *     log_info("worker.start", log_int("pid", pid), log_text("program", name));
 *
 * as text   2026-01-31T12:00:00.000Z info worker.start pid=7 program=python3
 * as JSON   {"time":"2026-01-31T12:00:00.000Z","level":"info","event":"worker.start","pid":7,...}
 *
 * On stderr text lines begin with "whiskloop: ", to tell them from the action's lines. Whatever a
 * field's value contains, the result is one line of valid UTF-8 or of valid JSON.
 *
 * stdout and stderr carry the action's log, too. So by default only errors and warnings are
 * written, which the operator must see. The death of an action's process is logged as info: it is
 * routine.
 *
 * A line is written at once or dropped, so neither a full disk nor a stalled reader stops the
 * proxy. The next line that is written tells how many were dropped.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

struct err;

enum log_level {
    LOG_OFF,
    LOG_ERROR,
    LOG_WARN,
    LOG_INFO,
    LOG_DEBUG, /* everything above, and a line per activation */
};

enum log_format {
    LOG_AS_TEXT,
    LOG_AS_JSON,
};

/* One field of a line, made by log_int(), log_text() and the like. Its texts are borrowed until the
 * line is written. */
struct log_field {
    const char *name; /* lower case and underscores; NULL: end of the list */
    const char *text; /* text[0 .. n), any bytes, cut when long; NULL: use the number */
    size_t n;
    int64_t number;
    bool absent; /* no value: omit the field */
};

/* Returns the level that has this name (off, error, warn, info or debug); -1: no such level. */
int log_level_from_name(const char *name);
void log_set_level(enum log_level level);
void log_set_format(enum log_format format);

/* Append lines to this file from now on, creating it if missing. path: borrowed until log_close().
 * -1: ERR_SYSTEM, and lines go where they went before. */
int log_open(const char *path, struct err *err);
/* Open the log file's path again, after log rotation. -1: lines go on to the old file. */
int log_reopen(struct err *err);
/* Close the log file and write to stderr again. */
void log_close(void);
/* Whether lines go to a log file; if not, they go to stderr, which also carries the action's
 * log. */
bool log_has_file(void);

extern enum log_level log_threshold; /* the most detailed level written; see log_wants() */

static inline bool log_wants(enum log_level level)
{
    return level <= log_threshold;
}

static inline struct log_field log_int(const char *name, int64_t number)
{
    return (struct log_field){.name = name, .number = number};
}

static inline struct log_field log_count(const char *name, uint64_t number)
{
    return log_int(name, number < INT64_MAX ? (int64_t)number : INT64_MAX);
}

/* text: NULL leaves the field out. */
static inline struct log_field log_bytes(const char *name, const char *text, size_t n)
{
    return (struct log_field){.name = name, .text = text, .n = n, .absent = text == NULL};
}

static inline struct log_field log_text(const char *name, const char *text)
{
    return log_bytes(name, text, text != NULL ? strlen(text) : 0);
}

/* Two fields, "status" and "signal", that say how a process ended. */
#define LOG_EXIT(wait_status)                                                                      \
    log_int("status", WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1),                     \
        log_int("signal", WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0)

/* Call this through log_event(). fields: an array that ends with a field without a name. */
void log_write(enum log_level level, const char *event, const struct log_field *fields)
    __attribute__((cold));

/* The fields are evaluated only if lines of this level are written. */
#define log_event(level, event, ...)                                                               \
    do {                                                                                           \
        if (log_wants(level))                                                                      \
            log_write(level, event,                                                                \
                      (const struct log_field[]){__VA_ARGS__, (struct log_field){.name = NULL}});  \
    } while (0)

#define log_error(event, ...) log_event(LOG_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...)  log_event(LOG_WARN, event, __VA_ARGS__)
#define log_info(event, ...)  log_event(LOG_INFO, event, __VA_ARGS__)
#define log_debug(event, ...) log_event(LOG_DEBUG, event, __VA_ARGS__)

#pragma once

/*
 * log - the proxy's own remarks, one line per event: "whiskloop: module.event key=value ...".
 *
 * The container's streams are the action's, so by default only warnings and errors are written.
 */

#include <stddef.h>

enum log_level {
    LOG_OFF,
    LOG_ERROR,
    LOG_WARN,
    LOG_INFO,
    LOG_DEBUG
};

/* off, error, warn, info, debug; -1: no such level. */
int log_level_from_name(const char *name);
void log_set_level(enum log_level level);

void log_line(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), cold));

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

#define LOG_LINE_MAX_BYTES 1024 /* one write, so that lines of others do not fall into ours */

static const char *const level_names[] = {"off", "error", "warn", "info", "debug"};
static enum log_level log_level = LOG_WARN;

int log_level_from_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++)
        if (strcmp(name, level_names[i]) == 0)
            return (int)i;
    return -1;
}

void log_set_level(enum log_level level)
{
    log_level = level;
}

void log_line(enum log_level level, const char *fmt, ...)
{
    char line[LOG_LINE_MAX_BYTES];
    size_t n;
    va_list args;

    if (level > log_level)
        return;
    n = (size_t)snprintf(line, sizeof(line), "whiskloop: ");
    va_start(args, fmt);
    (void)vsnprintf(line + n, sizeof(line) - n - 1, fmt, args);
    va_end(args);
    n = strlen(line);
    line[n++] = '\n';
    (void)!write(STDERR_FILENO, line, n);
}

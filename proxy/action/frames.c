#include "action/frames.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"

/* Each text marks a stack frame of a launcher or an interpreter, and occurs in no other line. */
static const char *const marks[] = {
    "node:internal/",   "\nNode.js v",           "\tat whiskloop.", "\tat java.base/",
    "   at Whiskloop.", "   at System.Runtime.", "\t[C]: in ",
};

struct line {
    const char *text; /* begins with the newline of the line before, except in the first line */
    size_t n;
};

static bool holds(const struct line *line, const char *what)
{
    return memmem(line->text, line->n, what, strlen(what)) != NULL;
}

static bool is_foreign(const struct line *line, const char *launchers)
{
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (holds(line, marks[i]))
            return true;
    return launchers != NULL && holds(line, launchers);
}

void frames_put_users(const char *text, size_t n, const char *launchers, struct buf *out)
{
    size_t before = buf_len(out);
    auto_free char *folder = launchers != NULL ? xasprintf("%s/", launchers) : NULL;
    bool in_python = false; /* we are dropping a Python frame, with its indented source lines */

    for (size_t at = 0; at < n;) {
        const char *end = memchr(text + at + 1, '\n', n - at - 1);
        struct line line = {text + at, end != NULL ? (size_t)(end - text) - at : n - at};

        assert(line.n > 0);
        assert(line.n <= n - at);
        in_python = in_python && holds(&line, "\n    ");
        if (is_foreign(&line, folder))
            in_python = holds(&line, "  File \"");
        else if (!in_python)
            buf_add(out, line.text, line.n);
        at += line.n;
    }
    if (buf_len(out) == before)
        buf_add(out, text, n);
}

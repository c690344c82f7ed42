#pragma once

/* launch_fixture - how to start tests/unit/child.c with a list of steps. */

#include <stdarg.h>

#include "base/launch.h"
#include "base/util.h"

static inline struct launch launch_of(const char *program)
{
    struct launch launch;

    memset(&launch, 0, sizeof(launch));
    strv_push(&launch.argv, xstrdup(program));
    strv_setenv(&launch.env, "PATH", "/usr/bin:/bin");
    launch.cwd = xstrdup("/tmp");
    return launch;
}

/* reports_ready: a truth value; va_start() must not follow a bool. Then steps: strings, NULL at the
 * end; see child.c. */
static inline struct launch launch_child(enum answers answers, int reports_ready, ...)
{
    const char *program = getenv("WHISKLOOP_TEST_CHILD");
    struct launch launch;
    const char *step;
    va_list steps;

    assert_non_null(program);
    launch = launch_of(program);
    launch.answers = answers;
    launch.reports_ready = reports_ready != 0;
    va_start(steps, reports_ready);
    while ((step = va_arg(steps, const char *)) != NULL)
        strv_push(&launch.argv, xstrdup(step));
    va_end(steps);
    return launch;
}

#pragma once

/* exec_spec_fixture - how to start tests/unit/child.c with a list of steps. */

#include <stdarg.h>

#include "base/exec_spec.h"
#include "base/util.h"

static inline struct exec_spec spec_of(const char *program)
{
    struct exec_spec spec;

    memset(&spec, 0, sizeof(spec));
    strv_push(&spec.argv, xstrdup(program));
    strv_setenv(&spec.env, "PATH", "/usr/bin:/bin");
    spec.cwd = xstrdup("/tmp");
    return spec;
}

/* reports_ready: a truth value; va_start() must not follow a bool. Then steps: strings, NULL at the
 * end; see child.c. */
static inline struct exec_spec launch_child(enum answers answers, int reports_ready, ...)
{
    const char *program = getenv("WHISKLOOP_TEST_CHILD");
    struct exec_spec spec;
    const char *step;
    va_list steps;

    assert_non_null(program);
    spec = spec_of(program);
    spec.answers = answers;
    spec.reports_ready = reports_ready != 0;
    va_start(steps, reports_ready);
    while ((step = va_arg(steps, const char *)) != NULL)
        strv_push(&spec.argv, xstrdup(step));
    va_end(steps);
    return spec;
}

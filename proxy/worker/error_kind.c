#include "worker/error_kind.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/util.h"
#include "worker/job.h"

const char *error_kind_name(enum error_kind kind)
{
    static const char *const names[] = {
        [ERROR_KIND_REQUEST] = "request",   [ERROR_KIND_METHOD] = "method",
        [ERROR_KIND_ACTION] = "action",     [ERROR_KIND_DIED] = "died",
        [ERROR_KIND_LATE] = "late",         [ERROR_KIND_EXHAUSTED] = "exhausted",
        [ERROR_KIND_OVERLOAD] = "overload", [ERROR_KIND_UNAVAILABLE] = "unavailable",
    };

    _Static_assert(ARRAY_LEN(names) == N_ERROR_KINDS, "one word for each");
    assert(kind < N_ERROR_KINDS);
    return names[kind];
}

/* Whether the error reports a missing function. All launchers use this text for it. Source:
 * runtime/README.md. */
static bool is_of_method(struct json_slice error)
{
    static const char text[] = "\"method not found: ";

    return error.n > sizeof(text) && memcmp(error.text, text, sizeof(text) - 1) == 0;
}

enum error_kind error_kind_of_answer(const struct job *job, struct json_slice error)
{
    assert(job->outcome == JOB_ANSWERED);
    if (error.kind == JSON_BAD)
        return job->failed ? ERROR_KIND_ACTION : ERROR_KIND_NONE;
    return is_of_method(error) ? ERROR_KIND_METHOD : ERROR_KIND_ACTION;
}

enum error_kind error_kind_of(const struct job *job)
{
    assert(job->outcome != JOB_PENDING);
    return outcome_of(job->outcome)->kind;
}

static void add_member(struct buf *out, enum error_kind kind)
{
    assert(error_kind_name(kind) != NULL);
    buf_add_text(out, ",\"kind\":\"");
    buf_add_text(out, error_kind_name(kind));
    buf_add_text(out, "\"}");
}

void error_kind_add(struct buf *out, enum error_kind kind, const char *text)
{
    assert(kind != ERROR_KIND_NONE);
    buf_add_text(out, "{\"error\":");
    json_quote(out, text, strlen(text));
    add_member(out, kind);
}

void error_kind_add_answer(struct buf *out, const struct job *job, struct json_slice error)
{
    struct json_slice top = {.kind = JSON_BAD};
    struct json_slice kind;

    assert(job->outcome == JOB_ANSWERED);
    if (error.kind != JSON_BAD)
        top = json_top(job->answer, job->answer_len);
    if (top.kind == JSON_BAD || json_member(top, "kind", &kind)) {
        buf_add(out, job->answer, job->answer_len);
        return;
    }
    buf_add(out, top.text, top.n - 1); /* without the closing brace, which add_member() appends */
    add_member(out, error_kind_of_answer(job, error));
}

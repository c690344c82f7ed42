#include "worker/contract.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/util.h"
#include "worker/job.h"

#define SHOWN_MAX_BYTES 100 /* most bytes of a wrong answer shown by contract_say_more() */

bool contract_check(const char *text, size_t n, struct contract_body *body, char *why, size_t size)
{
    static const char prefix[] = "Error unmarshaling request: ";
    struct json_fault fault;
    enum json_kind kind = json_check_member(text, n, &fault, "deadline", &body->deadline);

    assert(size > sizeof(prefix));
    if (kind == JSON_OBJECT) {
        body->top = json_top(text, n);
        assert(body->top.kind == JSON_OBJECT);
        return true;
    }
    if (kind == JSON_NULL) { /* launchers expect an object: null stands for {} */
        body->top = (struct json_slice){"{}", 2, JSON_OBJECT};
        return true;
    }
    memcpy(why, prefix, sizeof(prefix));
    why += sizeof(prefix) - 1;
    size -= sizeof(prefix) - 1;
    if (kind == JSON_BAD)
        json_fault_say(&fault, text, n, why, size);
    else
        (void)snprintf(why, size, "the body must be a JSON object");
    return false;
}

bool contract_is_argument(struct json_slice top)
{
    struct json_slice value;

    assert(top.kind == JSON_OBJECT);
    if (!json_member(top, "value", &value))
        return true;
    return value.kind == JSON_OBJECT || value.kind == JSON_ARRAY || value.kind == JSON_NULL;
}

/* Make job->line one line of n bytes and a newline. */
static void end_line(struct job *job, size_t n)
{
    assert(job->line[0] == '{');
    assert(job->line[n - 1] == '}');
    /* In valid JSON newlines and carriage returns occur only as white space between tokens. Some
     * launchers take a carriage return for the end of a line, so blank both. */
    bytes_replace(job->line, n, '\n', ' ');
    bytes_replace(job->line, n, '\r', ' ');
    job->line[n] = '\n';
    job->len = n + 1;
}

/* How many of the n bytes of `members` to insert in front of the members of `top`: all, or all but
 * the last comma if `top` has no members. */
static size_t fit_members(struct json_slice top, const char *members, size_t n)
{
    struct json_slice name, value;
    size_t at = 0;

    assert(top.kind == JSON_OBJECT);
    assert(n == 0 || members[n - 1] == ',');
    if (n > 0 && members[n - 1] == ',' && !json_next_member(top, &at, &name, &value))
        n--;
    return n;
}

void contract_set_line(struct job *job, struct json_slice top, const char *members,
                       size_t n_members)
{
    size_t n;

    n_members = fit_members(top, members, n_members);
    n = top.n + n_members;
    job->line = xmalloc(n + 1);
    job->line[0] = '{';
    if (n_members > 0)
        memcpy(job->line + 1, members, n_members);
    memcpy(job->line + 1 + n_members, top.text + 1, top.n - 1);
    end_line(job, n);
}

void contract_set_line_within(struct job *job, struct json_slice top, const char *members,
                              size_t n_members)
{
    n_members = fit_members(top, members, n_members);
    job->line = (char *)(uintptr_t)top.text - n_members;
    if (n_members > 0)
        memmove(job->line + 1, members, n_members);
    job->line[0] = '{';
    end_line(job, top.n + n_members);
}

bool contract_left_ms(const struct contract_body *body, int64_t *left_ms)
{
    const char *at = body->deadline.text;
    size_t n = body->deadline.n;
    struct timespec now;
    int64_t at_ms = 0;

    if (body->deadline.kind == JSON_STRING) {
        assert(n >= 2);
        at++;
        n -= 2;
    } else if (body->deadline.kind != JSON_NUMBER) {
        return false;
    }
    if (n == 0 || n >= 19) /* at most 18 digits cannot overflow at_ms */
        return false;
    for (size_t i = 0; i < n && at[i] != '.'; i++) { /* without a fraction */
        if (at[i] < '0' || at[i] > '9')
            return false;
        at_ms = at_ms * 10 + (at[i] - '0');
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    *left_ms = at_ms - ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    return true;
}

bool contract_read_answer(const struct job *job, struct json_slice *error)
{
    enum json_kind kind;

    assert(job->outcome != JOB_PENDING);
    error->kind = JSON_BAD;
    if (job->outcome != JOB_ANSWERED || job->has_no_result)
        return job->outcome == JOB_ANSWERED;
    kind = json_check_member(job->answer, job->answer_len, NULL, "error", error);
    return kind == JSON_OBJECT || kind == JSON_ARRAY || (kind != JSON_BAD && job->takes_any_result);
}

bool contract_is_answered(const struct job *job)
{
    struct json_slice error;

    return contract_read_answer(job, &error);
}

bool contract_is_result(const struct job *job)
{
    struct json_slice error;

    return contract_read_answer(job, &error) && error.kind == JSON_BAD;
}

/* Whether the error reports a missing function. All launchers use this text for it. Source:
 * runtime/README.md. */
static bool is_of_method(struct json_slice error)
{
    static const char text[] = "\"method not found: ";

    return error.n > sizeof(text) && memcmp(error.text, text, sizeof(text) - 1) == 0;
}

enum error_kind contract_kind_of_answer(const struct job *job, struct json_slice error)
{
    assert(job->outcome == JOB_ANSWERED);
    if (error.kind == JSON_BAD)
        return job->failed ? ERROR_KIND_ACTION : ERROR_KIND_NONE;
    return is_of_method(error) ? ERROR_KIND_METHOD : ERROR_KIND_ACTION;
}

/* Write what the action returned instead of an object or array. */
static void say_returned(const struct job *job, char *text, size_t size)
{
    static const char *const names[] = {
        [JSON_BAD] = "no JSON document: ", [JSON_STRING] = "a string: ",
        [JSON_NUMBER] = "a number: ",      [JSON_TRUE] = "a boolean: ",
        [JSON_FALSE] = "a boolean: ",      [JSON_NULL] = "nothing: ",
    };
    struct json_fault fault;
    enum json_kind kind = json_check(job->answer, job->answer_len, &fault);
    size_t n = job->answer_len < SHOWN_MAX_BYTES ? job->answer_len : SHOWN_MAX_BYTES;

    assert(job->outcome == JOB_ANSWERED && !job->has_no_result);
    assert(kind < ARRAY_LEN(names) && names[kind] != NULL);
    while (n < job->answer_len && n > 0 && ((unsigned char)job->answer[n] & 0xc0) == 0x80)
        n--; /* do not cut a character of UTF-8 */
    (void)snprintf(text, size, "it returned %s%.*s%s", names[kind], (int)n, job->answer,
                   n < job->answer_len ? "..." : "");
}

void contract_say_more(const struct job *job, char *text, size_t size)
{
    if (job->outcome == JOB_ANSWERED)
        say_returned(job, text, size);
    else
        (void)snprintf(text, size, "%s", job->outcome == JOB_DIED ? job->reason : "");
}

void contract_explain(const struct job *job, size_t answer_max_bytes, char *text, size_t size)
{
    const struct outcome *outcome = outcome_of(job->outcome);
    char number[24];
    const char *detail = "";
    const char *more = ""; /* a sentence to append to the error text */

    switch (outcome->detail) {
    case DETAIL_NONE:
        break;
    case DETAIL_REASON:
        detail = job->reason;
        break;
    case DETAIL_LIMIT_MS:
        (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)job->limit_ms);
        detail = number;
        more = job->reason;
        break;
    case DETAIL_MAX_BYTES:
        (void)snprintf(number, sizeof(number), "%zu", answer_max_bytes);
        detail = number;
        break;
    }
    (void)snprintf(text, size, "%s%s%s%s%s", outcome->text, detail, outcome->tail,
                   more[0] != '\0' ? " " : "", more);
}

static void add_member(struct buf *out, enum error_kind kind)
{
    assert(error_kind_name(kind) != NULL);
    buf_add_text(out, ",\"kind\":\"");
    buf_add_text(out, error_kind_name(kind));
    buf_add_text(out, "\"}");
}

void contract_add_error(struct buf *out, enum error_kind kind, const char *text)
{
    assert(kind != ERROR_KIND_NONE);
    buf_add_text(out, "{\"error\":");
    json_quote(out, text, strlen(text));
    add_member(out, kind);
}

void contract_add_answer(struct buf *out, const struct job *job, struct json_slice error)
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
    add_member(out, contract_kind_of_answer(job, error));
}

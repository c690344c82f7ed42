#include "http/run.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/log.h"
#include "http/server.h"
#include "http/service.h"

#define NOT_READY "System not ready, status is running."
#define NO_RESULT "The action did not return a dictionary or array."

/* One activation: lives from its request to its reply. */
struct run {
    struct job job;
    struct service *service; /* borrowed */
    struct request *request; /* valid until the reply */
};

/* ---- the reply ---- */

static void run_free(struct run *run)
{
    free(run->job.line);
    free(run->job.answer);
    free(run);
}

static void reply_answer(struct run *run)
{
    enum json_kind kind = json_check(run->job.answer, run->job.answer_len, NULL);

    if (kind == JSON_OBJECT || kind == JSON_ARRAY)
        request_reply(run->request, 200, TAKE(run->job.answer), run->job.answer_len);
    else
        request_reply_error(run->request, 502, NO_RESULT);
}

static void on_done(struct job *job)
{
    struct run *run = container_of(job, struct run, job);
    char text[512];

    switch (job->outcome) {
    case JOB_ANSWERED:
        reply_answer(run);
        break;
    case JOB_DIED:
        request_reply_error(run->request, 400, "command exited");
        break;
    case JOB_LATE:
        (void)snprintf(text, sizeof(text),
                       "The action exceeded its time limits of %llu milliseconds.",
                       (unsigned long long)job->limit_ms);
        request_reply_error(run->request, 502, text);
        break;
    case JOB_TOO_LONG:
        (void)snprintf(text, sizeof(text),
                       "The action's answer is longer than %zu bytes (--answer-max-bytes).",
                       run->service->opts.pool.worker.answer_max_bytes);
        request_reply_error(run->request, 502, text);
        break;
    case JOB_UNSTARTED:
        (void)snprintf(text, sizeof(text), "cannot start action: %s", job->reason);
        request_reply_error(run->request, 502, text);
        break;
    case JOB_ABANDONED:
        request_reply_error(run->request, 503, "The action is being shut down.");
        break;
    case JOB_PENDING:
        assert(job->outcome != JOB_PENDING);
        break;
    }
    run_free(run);
}

/* ---- the request ---- */

/* Milliseconds from now to the epoch moment in a `deadline` member; 0: none, past, or no number. */
static uint64_t deadline_span_ms(struct json_slice deadline)
{
    char digits[24];
    size_t n = deadline.n;
    const char *at = deadline.text;
    struct timespec now;
    uint64_t now_ms;
    uint64_t at_ms = 0;

    if (deadline.kind == JSON_STRING) {
        at++;
        n -= 2;
    } else if (deadline.kind != JSON_NUMBER) {
        return 0;
    }
    if (n == 0 || n >= 19 || n >= sizeof(digits)) /* 18 digits cannot overflow */
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (at[i] < '0' || at[i] > '9')
            return 0;
        at_ms = at_ms * 10 + (uint64_t)(at[i] - '0');
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    return at_ms > now_ms ? at_ms - now_ms : 0;
}

/* A deadline that has passed on arrival says nothing (the suites send "123"): our limit holds. */
static void set_deadline(const struct service *service, struct job *job, struct json_slice body)
{
    struct json_slice deadline;
    uint64_t span_ms = service->opts.run_ms;
    uint64_t margin_ms = service->opts.margin_ms;
    uint64_t asked_ms = 0;

    if (body.kind == JSON_OBJECT && json_member(body, "deadline", &deadline))
        asked_ms = deadline_span_ms(deadline);
    if (asked_ms > 0 && asked_ms < span_ms)
        span_ms = asked_ms;
    job->limit_ms = span_ms;
    /* A margin must not eat up a short limit. */
    span_ms -= margin_ms < span_ms / 2 ? margin_ms : span_ms / 2;
    job->deadline_at_ms = loop_now_ms(service->loop) + span_ms;
}

/* The body as one line. In a checked document a raw newline can only be white space. */
static void set_line(struct job *job, const char *body, size_t n)
{
    job->line = xmalloc(n + 1);
    memcpy(job->line, body, n);
    for (char *at = job->line; (at = memchr(at, '\n', n - (size_t)(at - job->line))) != NULL;)
        *at = ' ';
    /* Some launchers read lines that a carriage return ends as well. */
    for (char *at = job->line; (at = memchr(at, '\r', n - (size_t)(at - job->line))) != NULL;)
        *at = ' ';
    job->line[n] = '\n';
    job->len = n + 1;
}

/* Check what came; false: it was answered. */
static bool check_body(struct request *request, const char *body, size_t n, enum json_kind *kind)
{
    struct json_fault fault;
    char text[256] = "Error unmarshaling request: ";
    size_t n_text = strlen(text);

    *kind = json_check(body, n, &fault);
    if (*kind == JSON_OBJECT || *kind == JSON_NULL)
        return true;
    if (*kind == JSON_BAD)
        json_fault_say(&fault, body, n, text + n_text, sizeof(text) - n_text);
    else
        (void)snprintf(text + n_text, sizeof(text) - n_text, "the body must be a JSON object");
    request_reply_error(request, 400, text);
    return false;
}

/* The words of Apache's Node runtime, which its suite wants to read in the log too (T-N16). */
static void refuse_second(const struct service *service, struct request *request)
{
    static const char line[] = "Internal system error: " NOT_READY "\n";

    sink_line_start(service->err, NULL);
    sink_add(service->err, NULL, line, sizeof(line) - 1);
    request_reply_error(request, 403, NOT_READY);
}

/* 429, not 503: that would tell the platform to destroy this container. */
static void refuse_full(const struct service *service, struct request *request)
{
    char text[128];

    (void)snprintf(text, sizeof(text), "%u activations wait for the action already (--queue-max).",
                   service->opts.pool.queue_max);
    request_add_header(request, "retry-after", "1");
    request_reply_error(request, 429, text);
}

void run_on_request(void *owner, struct request *request)
{
    struct service *service = owner;
    struct run *run;
    size_t n;
    const char *body = request_body(request, &n);
    enum json_kind kind;

    if (early_keeps(service, request, run_on_request))
        return;
    if (service->draining) {
        request_reply_error(request, 503, "The action is being shut down.");
        return;
    }
    if (service->pool == NULL) {
        request_reply_error(request, 500, "no action defined yet");
        return;
    }
    if (!check_body(request, body, n, &kind))
        return;
    if (service->opts.one_at_a_time && pool_n_jobs(service->pool) > 0) {
        refuse_second(service, request);
        return;
    }
    run = xcalloc(1, sizeof(*run));
    run->service = service;
    run->request = request;
    run->job.done = on_done;
    list_init(&run->job.node);
    set_deadline(service, &run->job, json_top(body, n));
    if (kind == JSON_NULL)
        set_line(&run->job, "{}", 2); /* launchers expect an object */
    else
        set_line(&run->job, body, n);
    if (pool_submit(service->pool, &run->job))
        return;
    refuse_full(service, request);
    run_free(run);
}

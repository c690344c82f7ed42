#include "http/run.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/log.h"
#include "http/server.h"
#include "http/service.h"
#include "http/stub.h"
#include "http/trace.h"

#define NOT_READY "System not ready, status is running."
#define NO_RESULT "The action did not return a dictionary or array."
#define NO_OBJECT "The action did not receive a dictionary or array as an argument."

/* One activation: lives from its request to its reply. */
struct run {
    struct job job;
    struct service *service; /* borrowed */
    struct request *request; /* valid until the reply */
    uint64_t came_at_us;     /* loop time */
};

static const char *const end_names[N_RUN_ENDS] = {
    [RUN_OK] = "ok",
    [RUN_BAD_ANSWER] = "bad_answer",
    [RUN_DIED] = "died",
    [RUN_DEADLINE] = "deadline",
    [RUN_ANSWER_TOO_LONG] = "answer_too_long",
    [RUN_EXHAUSTED] = "exhausted",
    [RUN_UNSTARTED] = "unstarted",
    [RUN_ABANDONED] = "abandoned",
    [RUN_DRAINING] = "draining",
    [RUN_NO_ACTION] = "no_action",
    [RUN_BAD_BODY] = "bad_body",
    [RUN_BODY_TOO_LARGE] = "body_too_large",
    [RUN_BUSY] = "busy",
    [RUN_QUEUE_FULL] = "queue_full",
};

const char *run_end_name(enum run_end end)
{
    return end_names[end];
}

/* ---- the reply ---- */

static void run_free(struct run *run)
{
    free(run->job.line);
    free(run->job.answer);
    free(run);
}

/* Times are the loop's: the clock is not asked again. */
static void count(const struct run *run, enum run_end end)
{
    struct run_tally *tally = &run->service->runs;
    uint64_t now_us = loop_now_us(run->service->loop);
    uint64_t given_at_us = run->job.given_at_us > 0 ? run->job.given_at_us : now_us;

    tally->n_ends[end]++;
    histogram_add(&tally->queued, given_at_us - run->came_at_us, 1);
    histogram_add(&tally->whole, now_us - run->came_at_us, 1);
}

static void reply_answer(struct run *run)
{
    enum json_kind kind = json_check(run->job.answer, run->job.answer_len, NULL);

    if (kind == JSON_OBJECT || kind == JSON_ARRAY) {
        count(run, RUN_OK);
        run->service->runs.answer_bytes += run->job.answer_len;
        request_reply(run->request, 200, TAKE(run->job.answer), run->job.answer_len);
    } else {
        count(run, RUN_BAD_ANSWER);
        request_reply_error(run->request, 502, NO_RESULT);
    }
}

static void log_end(const struct run *run)
{
    const struct job *job = &run->job;
    enum log_level level = job->outcome == JOB_ANSWERED ? LOG_DEBUG : LOG_INFO;
    struct log_field worker = log_int("worker", job->worker);
    uint64_t now_us;
    uint64_t given_at_us;

    if (!log_wants(level))
        return;
    worker.absent = job->worker == 0; /* it never left the queue */
    now_us = loop_now_us(run->service->loop);
    given_at_us = job->given_at_us != 0 ? job->given_at_us : now_us;
    log_event(level, "activation.end", job_log_member(job, "activation_id"),
              job_log_member(job, "transaction_id"), job_log_member(job, "traceparent"),
              log_text("outcome", job_outcome_name(job->outcome)), worker,
              log_count("queue_ms", (given_at_us - run->came_at_us) / 1000),
              log_count("ms", (now_us - run->came_at_us) / 1000),
              log_count("limit_ms", job->limit_ms),
              log_text("reason", job->reason[0] != '\0' ? job->reason : NULL));
}

static void on_done(struct job *job)
{
    struct run *run = container_of(job, struct run, job);
    char text[512];

    log_end(run);
    switch (job->outcome) {
    case JOB_ANSWERED:
        reply_answer(run);
        break;
    case JOB_DIED:
        count(run, RUN_DIED);
        request_reply_error(run->request, 400, "command exited");
        break;
    case JOB_EXHAUSTED:
        count(run, RUN_EXHAUSTED);
        request_reply_error(run->request, 502, job->reason);
        break;
    case JOB_LATE:
        count(run, RUN_DEADLINE);
        (void)snprintf(text, sizeof(text),
                       "The action exceeded its time limits of %llu milliseconds.",
                       (unsigned long long)job->limit_ms);
        request_reply_error(run->request, 502, text);
        break;
    case JOB_TOO_LONG:
        count(run, RUN_ANSWER_TOO_LONG);
        (void)snprintf(text, sizeof(text),
                       "The action's answer is longer than %zu bytes (--answer-max-bytes).",
                       run->service->opts.pool.worker.answer_max_bytes);
        request_reply_error(run->request, 502, text);
        break;
    case JOB_UNSTARTED:
        count(run, RUN_UNSTARTED);
        (void)snprintf(text, sizeof(text), "cannot start action: %s", job->reason);
        request_reply_error(run->request, 502, text);
        break;
    case JOB_ABANDONED:
        count(run, RUN_ABANDONED);
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
    if (n == 0 || n >= 19) /* 18 digits cannot overflow */
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
static void set_deadline(const struct service *service, struct run *run, struct json_slice body)
{
    struct job *job = &run->job;
    struct json_slice deadline;
    uint64_t span_ms = service->opts.run_ms;
    uint64_t margin_ms = service->opts.margin_ms;
    uint64_t asked_ms = 0;

    if (json_member(body, "deadline", &deadline))
        asked_ms = deadline_span_ms(deadline);
    if (asked_ms > 0 && asked_ms < span_ms)
        span_ms = asked_ms;
    job->limit_ms = span_ms;
    /* A margin must not eat up a short limit. */
    span_ms -= margin_ms < span_ms / 2 ? margin_ms : span_ms / 2;
    job->deadline_at_ms = run->came_at_us / 1000 + span_ms;
}

/*
 * The body, an object, as one line, with what the client's headers add to it. In a checked document
 * a raw newline can only be white space.
 */
static void set_line(struct job *job, struct json_slice body, const struct trace *trace)
{
    char members[TRACE_MEMBERS_MAX_BYTES];
    size_t n_members = trace->any ? trace_members(trace, body, members) : 0;
    size_t n = body.n + n_members;

    assert(body.kind == JSON_OBJECT);
    job->line = xmalloc(n + 1);
    job->line[0] = '{';
    if (n_members > 0)
        memcpy(job->line + 1, members, n_members);
    memcpy(job->line + 1 + n_members, body.text + 1, body.n - 1);
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
static void refuse_second(struct service *service, struct request *request)
{
    static const char line[] = "Internal system error: " NOT_READY "\n";

    service->runs.n_ends[RUN_BUSY]++;
    sink_line_start(service->err, NULL);
    sink_add(service->err, NULL, line, sizeof(line) - 1);
    request_reply_error(request, 403, NOT_READY);
}

/* Whether the argument is of a kind that every action takes; none at all stands for {}. */
static bool is_argument(const char *body, size_t n)
{
    struct json_slice value;

    if (!json_member(json_top(body, n), "value", &value))
        return true;
    return value.kind == JSON_OBJECT || value.kind == JSON_ARRAY || value.kind == JSON_NULL;
}

/* As the proxy of the old native contract: an activation like any other, its log empty (T-D4). */
static void refuse_argument(const struct service *service, struct request *request)
{
    relay_write_sentinels(service->out, service->err);
    sink_flush(service->out);
    sink_flush(service->err);
    request_reply_error(request, 404, NO_OBJECT);
}

void run_refuse(struct service *service, struct request *request, enum run_end end,
                uint64_t came_at_us, const char *text)
{
    struct run_tally *tally = &service->runs;
    uint64_t waited_us = loop_now_us(service->loop) - came_at_us;
    struct trace trace;

    assert(end == RUN_QUEUE_FULL || end == RUN_UNSTARTED);
    trace_take(&trace, request);
    tally->n_ends[end]++;
    if (end == RUN_QUEUE_FULL) {
        request_reply_full(request, text);
    } else {
        histogram_add(&tally->queued, waited_us, 1);
        histogram_add(&tally->whole, waited_us, 1);
        request_reply_error(request, 502, text);
    }
}

static void refuse_full(struct service *service, struct request *request)
{
    char text[128];

    service->runs.n_ends[RUN_QUEUE_FULL]++;
    (void)snprintf(text, sizeof(text), "%u activations wait for the action already (--queue-max).",
                   service->opts.pool.queue_max);
    request_reply_full(request, text);
}

void run_on_request(void *owner, struct request *request)
{
    struct service *service = owner;
    struct run *run;
    size_t n;
    const char *body = request_body(request, &n);
    struct json_slice top = {"{}", 2, JSON_OBJECT}; /* for null: launchers expect an object */
    struct trace trace;
    struct pool *pool;
    enum json_kind kind;

    /* First of all: it comes here again, and is to be counted and told once. */
    if (early_keeps_run(service, request))
        return;
    trace_take(&trace, request);
    if (service->draining) {
        service->runs.n_ends[RUN_DRAINING]++;
        request_reply_error(request, 503, "The action is being shut down.");
        return;
    }
    pool = service->pool != NULL ? service->pool : stub_pool(service);
    if (pool == NULL) {
        service->runs.n_ends[RUN_NO_ACTION]++;
        request_reply_error(request, 500, "no action defined yet");
        return;
    }
    if (!check_body(request, body, n, &kind)) {
        service->runs.n_ends[RUN_BAD_BODY]++;
        return;
    }
    if (service->opts.one_at_a_time && pool_n_jobs(pool) > 0) {
        refuse_second(service, request);
        return;
    }
    if (pool->launch.wants_object && kind == JSON_OBJECT && !is_argument(body, n)) {
        service->runs.n_ends[RUN_BAD_BODY]++;
        refuse_argument(service, request);
        return;
    }
    run = xcalloc(1, sizeof(*run));
    run->service = service;
    run->request = request;
    run->came_at_us = loop_now_us(service->loop);
    run->job.done = on_done;
    list_init(&run->job.node);
    if (kind == JSON_OBJECT)
        top = json_top(body, n);
    set_deadline(service, run, top);
    set_line(&run->job, top, &trace);
    if (pool_submit(pool, &run->job)) {
        service->runs.request_bytes += n;
        return;
    }
    refuse_full(service, request);
    run_free(run);
}

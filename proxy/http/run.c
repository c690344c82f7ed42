#include "http/run.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "http/connection.h"
#include "http/default_action.h"
#include "http/passed.h"
#include "http/reason.h"
#include "http/request.h"
#include "http/service.h"
#include "http/shape.h"
#include "http/stream.h"
#include "http/trace.h"
#include "worker/contract.h"
#include "worker/part_form.h"
#include "worker/parts.h"

#define NOT_READY     "System not ready, status is running."
#define LIMIT_STEP_MS 100 /* the platform's time limits are multiples of this span */

/* One activation, from its request to the end of the reply. */
struct run {
    struct job job;
    struct service *service; /* borrowed */
    struct request *request; /* valid until the reply; NULL: the request is gone */
    enum stream_kind stream; /* how the reply is streamed; STREAM_NONE: it is not streamed */
    /* If the action sends its answer in parts, the first part may set status and headers of the
     * reply. `stream` then becomes STREAM_SHAPED. */
    bool may_shape;
    bool has_left; /* the client has left */
    struct shape shape;
    bool is_done;        /* the job is done: the end of the reply can be sent */
    bool is_streaming;   /* the reply has begun */
    bool is_sending;     /* a piece of the reply is being sent; on_room() ends this */
    uint64_t came_at_us; /* loop time, as in loop_now_us(), at which the request came */
    uint64_t n_held;     /* bytes of the job's JSON line, counted in service->held */
};

/* ---- the reply ---- */

/* Free the job's JSON line. Call this before the reply, which may need the memory. */
static void drop_line(struct run *run)
{
    assert(run->service->held.bytes >= run->n_held);
    job_drop_line(&run->job);
    held_drop(&run->service->held, run->n_held);
    run->n_held = 0;
}

static void run_free(struct run *run)
{
    assert(list_empty(&run->job.node));
    drop_line(run);
    parts_free(&run->job);
    free(run->job.answer);
    free(run);
}

/* Count how an activation ended, and how long it took. Uses the loop's time, to save a system call
 * for the clock. */
static void count(const struct run *run, enum run_end end)
{
    struct run_tally *tally = &run->service->runs;
    uint64_t now_us = loop_now_us(run->service->loop);
    uint64_t given_at_us = run->job.given_at_us > 0 ? run->job.given_at_us : now_us;

    assert(end < N_RUN_ENDS);
    tally->n_ends[end]++;
    histogram_add(&tally->queued, given_at_us - run->came_at_us, 1);
    histogram_add(&tally->whole, now_us - run->came_at_us, 1);
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
    worker.absent = job->worker == 0; /* omit the field if no worker has got the job */
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

/* The status of the reply. The platform takes 200 for a result or an application's error, and any
 * other status for the developer's error. */
static int status_of(const struct job *job, bool is_answered)
{
    if (is_answered)
        return job->failed ? 502 : 200;
    return outcome_of(job->outcome)->status;
}

static enum run_end end_of(const struct job *job, bool is_answered)
{
    if (is_answered)
        return job->failed ? RUN_FAILED : RUN_OK;
    return outcome_of(job->outcome)->end;
}

/* The status of a streamed reply: 200 if the reply begins before the job is done, or if the action
 * has sent a part of its answer. */
static int stream_status(const struct run *run)
{
    if (!run->is_done || run->job.parts != NULL)
        return 200;
    return status_of(&run->job, contract_is_answered(&run->job));
}

/* ---- the reply in parts ---- */

static bool begin_stream(struct run *run)
{
    assert(run->stream != STREAM_NONE);
    assert(!run->is_streaming);
    if (run->may_shape)
        shape_allow_all(run->request);
    return stream_begin(run->request, run->stream, stream_status(run));
}

/* Whether the job has ended without a result. If the action has set status and headers of the
 * reply, the reply is then broken off: neither its status nor its text can report the error. */
static bool is_broken(const struct run *run)
{
    return run->is_done && !contract_is_result(&run->job);
}

/* For a reply whose status and headers the action sets: add to `bytes` what can be sent now.
 * Returns the status if the reply begins now, else 0. */
static int add_shaped(struct run *run, struct buf *bytes)
{
    struct job *job = &run->job;
    const char *text;
    size_t at = 0, n;
    int status = 0;

    while (parts_next(job, &at, &text, &n)) {
        if (!run->is_streaming && status == 0)
            status = shape_begin(&run->shape, run->request, text, n, bytes);
        else
            shape_add(&run->shape, bytes, text, n);
    }
    assert(run->is_streaming || status != 0); /* a first part came, which gives the status */
    if (at > 0)
        parts_took(job, at);
    if (run->is_done && !job->has_no_result && !is_broken(run))
        shape_add(&run->shape, bytes, job->answer, job->answer_len);
    return status;
}

/* Send what has come of a reply whose status and headers the action sets. If the job is done, end
 * the reply, and free the run. */
static void shaped_step(struct run *run)
{
    bool is_last = run->is_done;
    auto_buf struct buf bytes = {0};
    int status = add_shaped(run, &bytes);

    assert(!run->is_sending);
    if (!run->is_streaming && !request_stream(run->request, status, NULL)) {
        run->request = NULL;
        job_cancel(&run->job);
    } else if (is_last && is_broken(run)) {
        request_break(run->request, &bytes);
    } else if (is_last || buf_len(&bytes) > 0) {
        request_send(run->request, &bytes, is_last);
        run->is_sending = !is_last;
    }
    run->is_streaming = true;
    if (is_last)
        run_free(run);
}

/* Send the parts of the answer that have come. If the job is done, end the reply, and free the
 * run. */
static void stream_step(struct run *run)
{
    struct job *job = &run->job;
    bool is_last = run->is_done;
    auto_buf struct buf bytes = {0};

    assert(run->stream != STREAM_NONE);
    if (run->request == NULL || run->is_sending) {
        if (run->request == NULL && is_last)
            run_free(run);
        return;
    }
    if (run->stream == STREAM_SHAPED) {
        shaped_step(run);
        return;
    }
    part_form_parts(stream_form(run->stream), &bytes, job);
    if (is_last)
        part_form_end(stream_form(run->stream), &bytes, job,
                      run->service->opts.pool.worker.answer_max_bytes);
    if (buf_len(&bytes) == 0)
        return;
    if (!run->is_streaming && is_last && stream_status(run) != 200) {
        stream_refuse(run->request, run->stream, stream_status(run), &bytes);
    } else if (!run->is_streaming && !begin_stream(run)) {
        run->request = NULL;
        job_cancel(job);
    } else {
        run->is_streaming = true;
        run->is_sending = !is_last;
        request_send(run->request, &bytes, is_last);
    }
    if (is_last)
        run_free(run);
}

static void on_parts(struct job *job)
{
    stream_step(container_of(job, struct run, job));
}

static void on_room(void *owner)
{
    struct run *run = owner;

    assert(run->is_sending);
    run->is_sending = false;
    stream_step(run);
}

static void on_left(void *owner)
{
    struct run *run = owner;

    assert(!run->is_streaming); /* once the reply has begun, on_gone() is called instead */
    run->has_left = true;
    if (run->stream != STREAM_NONE)
        job_cancel(&run->job);
}

static void on_gone(void *owner)
{
    struct run *run = owner;

    assert(run->request != NULL);
    run->request = NULL;
    if (run->is_done)
        run_free(run);
    else
        job_cancel(&run->job);
}

static const struct request_watcher watcher = {.left = on_left, .room = on_room, .gone = on_gone};

/* Called with the first part of the answer. If this part sets status or headers of the reply, the
 * action decides the form of the reply, and not the request's header Accept. */
static void on_first_part(struct job *job, const char *text, size_t n)
{
    struct run *run = container_of(job, struct run, job);

    assert(run->may_shape);
    assert(!run->is_streaming);
    if (!shape_describes_reply(text, n))
        return;
    run->stream = STREAM_SHAPED;
    job->on_parts = on_parts;
    job->takes_any_result = true; /* the result may be a string: it ends the reply's text */
    if (run->has_left)
        job_cancel(job);
}

/* Add headers that describe an error. The body must not say as much: test suites compare it. */
static void add_headers(const struct run *run, bool is_answered, struct json_slice error)
{
    const struct job *job = &run->job;
    enum error_kind kind =
        is_answered ? contract_kind_of_answer(job, error) : outcome_of(job->outcome)->kind;

    if (kind != ERROR_KIND_NONE)
        request_add_header(run->request, ERROR_KIND_HEADER, error_kind_name(kind));
    if (!is_answered) {
        char more[sizeof(job->reason)];

        contract_say_more(job, more, sizeof(more));
        reason_add_header(run->request, more, strlen(more));
    }
    if (job->outcome == JOB_STOPPED)
        reason_add_header(run->request, outcome_of(JOB_STOPPED)->text,
                          strlen(outcome_of(JOB_STOPPED)->text));
}

static void refuse(struct request *request, enum error_kind kind, int status, const char *text)
{
    request_add_header(request, ERROR_KIND_HEADER, error_kind_name(kind));
    request_reply_error(request, status, text);
}

static void on_stream_done(struct run *run)
{
    const struct job *job = &run->job;
    struct json_slice error;
    bool is_answered = contract_read_answer(job, &error);

    assert(!run->is_done);
    run->is_done = true;
    count(run, parts_client_left(job) ? RUN_CANCELLED : end_of(job, is_answered));
    run->service->runs.answer_bytes += job->answer_len;
    /* Add no headers once a part of the answer has come: the reply's head may have left already,
     * and whether the client gets the headers must not depend on timing. */
    if (run->request != NULL && job->parts == NULL)
        add_headers(run, is_answered, error);
    stream_step(run);
}

static void on_done(struct job *job)
{
    struct run *run = container_of(job, struct run, job);
    struct service *service = run->service;
    struct json_slice error;
    bool is_answered;
    char text[512];

    assert(run->request != NULL || run->stream != STREAM_NONE);
    log_end(run);
    drop_line(run);
    if (service->observer != NULL)
        service->observer->ended(service->observer, run->request, job);
    if (run->stream != STREAM_NONE) {
        on_stream_done(run);
        return;
    }
    is_answered = contract_read_answer(job, &error);
    count(run, end_of(job, is_answered));
    add_headers(run, is_answered, error);
    if (is_answered) {
        int status = status_of(job, is_answered);

        service->runs.answer_bytes += job->answer_len;
        request_reply(run->request, status, TAKE(job->answer), job->answer_len);
    } else {
        contract_explain(job, service->opts.pool.worker.answer_max_bytes, text, sizeof(text));
        request_reply_error(run->request, status_of(job, is_answered),
                            job->outcome == JOB_STOPPED ? outcome_of(JOB_DIED)->text : text);
    }
    run_free(run);
}

/* ---- the request ---- */

/* The time limit of an activation that has left_ms until its deadline. left_ms lacks the time that
 * the request took to reach us, so round left_ms up to the platform's step. Apache's limit tests
 * compare the limit in the error text. */
static uint64_t limit_of(uint64_t left_ms)
{
    return (left_ms + LIMIT_STEP_MS - 1) / LIMIT_STEP_MS * LIMIT_STEP_MS;
}

/* Set the job's deadline and time limit. A deadline that had passed when the request came is
 * ignored (Apache's test suites send "123"): our own limit applies. */
static void set_deadline(const struct service *service, struct run *run,
                         const struct contract_body *body)
{
    struct job *job = &run->job;
    uint64_t span_ms = service->opts.run_ms;
    int64_t margin_ms = service->opts.margin_ms;
    int64_t left_ms;

    job->limit_ms = span_ms;
    if (!service->opts.no_deadlines && contract_left_ms(body, &left_ms) && left_ms > 0 &&
        (uint64_t)left_ms < span_ms) {
        span_ms = (uint64_t)left_ms;
        job->limit_ms = limit_of(span_ms) < job->limit_ms ? limit_of(span_ms) : job->limit_ms;
    }
    if (margin_ms < 0) /* end the job after its deadline, so that an invoker records a timeout */
        span_ms += (uint64_t)-margin_ms;
    else /* the margin takes at most half of the time */
        span_ms -= (uint64_t)margin_ms < span_ms / 2 ? (uint64_t)margin_ms : span_ms / 2;
    job->deadline_at_ms = loop_now_ms(service->loop) + span_ms;
}

/* Make the line that the action gets: the request's body, with members added from the client's
 * headers. A large body is not copied. */
static void set_line(struct run *run, struct json_slice top, const struct trace *trace)
{
    auto_buf struct buf members = {0};
    struct body body = {0};
    size_t n;
    const char *text = request_body(run->request, &n);

    _Static_assert(TRACE_MEMBERS_MAX_BYTES <= BODY_ROOM, "what is added stands before the body");
    passed_add(run->service->opts.passed, run->request, top, &members);
    if (trace->any)
        trace_members(trace, top, &members);
    /* For the body "null", `top` is a constant {} that lies outside the body: do not take such a
     * body over. */
    if (buf_len(&members) <= BODY_ROOM && top.text >= text && top.text < text + n)
        request_take_body(run->request, &body);
    run->n_held = body.n_held;
    run->job.block = body.block;
    if (body.block != NULL)
        contract_set_line_within(&run->job, top, buf_at(&members), buf_len(&members));
    else
        contract_set_line(&run->job, top, buf_at(&members), buf_len(&members));
    assert(run->job.line != NULL);
}

/* Refuse a /run while another one runs, with the words of Apache's Node runtime. Its test suite
 * expects them in the log, too (test T-N16 of openwhisk-contract). */
static void refuse_second(struct service *service, struct request *request)
{
    static const char line[] = "Internal system error: " NOT_READY "\n";

    service->runs.n_ends[RUN_BUSY]++;
    output_line_start(service->err, NULL);
    output_add(service->err, NULL, line, sizeof(line) - 1);
    refuse(request, ERROR_KIND_OVERLOAD, 403, NOT_READY);
}

/* Refuse an argument that is neither object nor array, as the proxy of Apache's docker skeleton
 * does: sentinels are logged, as for an activation that wrote nothing (T-D4). */
static void refuse_argument(const struct service *service, struct request *request)
{
    forwarder_write_sentinels(service->out, service->err);
    output_flush(service->out);
    output_flush(service->err);
    refuse(request, ERROR_KIND_REQUEST, 404, CONTRACT_NO_OBJECT);
}

static void refuse_full(struct service *service, struct request *request, const char *text)
{
    service->runs.n_ends[RUN_QUEUE_FULL]++;
    request_add_header(request, ERROR_KIND_HEADER, error_kind_name(ERROR_KIND_OVERLOAD));
    request_reply_full(request, text);
}

/* Refuse a request that waited for a preloaded action, which failed to start. */
static void refuse_unstarted(struct service *service, struct request *request)
{
    struct run_tally *tally = &service->runs;
    uint64_t waited_us = loop_now_us(service->loop) - request_came_at_us(request);
    auto_free char *text = xasprintf("cannot start action: %s", service->cannot_start);

    assert(service->cannot_start != NULL);
    tally->n_ends[RUN_UNSTARTED]++;
    histogram_add(&tally->queued, waited_us, 1);
    histogram_add(&tally->whole, waited_us, 1);
    refuse(request, ERROR_KIND_UNAVAILABLE, 502, text);
}

/* Refuse the request if the proxy takes no activations now. true: it was refused. */
static bool is_closed(struct service *service, struct request *request, enum gate_pass pass)
{
    if (pass == GATE_FULL) {
        refuse_full(service, request, SERVICE_TOO_MANY_HELD);
    } else if (service->draining) {
        service->runs.n_ends[RUN_DRAINING]++;
        refuse(request, ERROR_KIND_UNAVAILABLE, 503, "The action is being shut down.");
    } else if (service->cannot_start != NULL) {
        refuse_unstarted(service, request);
    } else {
        return false;
    }
    return true;
}

static void begin(struct service *service, struct request *request, bool may_shape)
{
    struct run *run;
    size_t n;
    const char *bytes = request_body(request, &n);
    struct contract_body body;
    struct trace trace;
    struct pool *pool;
    char text[256];
    enum gate_pass pass =
        service_gate(service, request, may_shape ? run_on_shaping_request : run_on_request);

    if (pass == GATE_HELD) /* this function is called again for a held request: count nothing yet */
        return;
    trace_take(&trace, request);
    if (is_closed(service, request, pass))
        return;
    pool = service->pool != NULL ? service->pool : default_action_pool(service);
    if (pool == NULL) {
        service->runs.n_ends[RUN_NO_ACTION]++;
        refuse(request, ERROR_KIND_UNAVAILABLE, 500, "no action defined yet");
        return;
    }
    if (!contract_check(bytes, n, &body, text, sizeof(text))) {
        service->runs.n_ends[RUN_BAD_BODY]++;
        refuse(request, ERROR_KIND_REQUEST, 400, text);
        return;
    }
    if (service->opts.one_at_a_time && pool_n_jobs(pool) > 0) {
        refuse_second(service, request);
        return;
    }
    if (pool->spec.wants_object && !contract_is_argument(body.top)) {
        service->runs.n_ends[RUN_BAD_BODY]++;
        refuse_argument(service, request);
        return;
    }
    run = xcalloc(1, sizeof(*run));
    run->service = service;
    run->request = request;
    run->came_at_us = request_came_at_us(request);
    run->job.done = on_done;
    run->job.takes_any_result = service->opts.any;
    list_init(&run->job.node);
    set_deadline(service, run, &body);
    set_line(run, body.top, &trace);
    run->stream = stream_asked(request);
    run->may_shape = may_shape;
    if (run->stream != STREAM_NONE)
        run->job.on_parts = on_parts;
    if (may_shape)
        run->job.first_part = on_first_part;
    if (run->stream != STREAM_NONE || may_shape)
        request_watch(request, &watcher, run);
    if (pool_submit(pool, &run->job)) {
        service->runs.request_bytes += n;
        if (service->observer != NULL)
            service->observer->begun(service->observer, request, &run->job);
        return;
    }
    (void)snprintf(text, sizeof(text), "%u activations wait for the action already (--queue-max).",
                   service->opts.pool.queue_max);
    refuse_full(service, request, text);
    run_free(run);
}

void run_on_request(void *owner, struct request *request)
{
    begin(owner, request, false);
}

void run_on_shaping_request(void *owner, struct request *request)
{
    begin(owner, request, true);
}

#include "http/init.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "action/envelope.h"
#include "base/json.h"
#include "base/log.h"
#include "http/server.h"
#include "http/service.h"
#include "http/stub.h"
#include "http/versions.h"
#include "worker/relay.h"

#define DIRECT_MAX_BYTES (256u << 10) /* code that is written sooner than a process is forked */
#define SECOND_INIT      "Cannot initialize the action more than once."

/* One /init under way. */
struct init {
    struct service *service; /* borrowed */
    struct request *request; /* valid until the reply */
    struct envelope envelope;
    struct stage stage;
    unsigned version;
    char *dir;                     /* owned; where the code is staged, then where it lies */
    const struct runtime *runtime; /* NULL until it is known */
    struct pool *pool;             /* owned until it serves */
    uint64_t started_at_ms;
};

static void init_free(struct init *init)
{
    stage_cancel(&init->stage);
    envelope_done(&init->envelope);
    free(init->dir);
    free(init);
}

/* What it made is of no use. */
static void discard(struct init *init)
{
    versions_discard(init->service, TAKE(init->pool), init->version);
    init_free(init);
}

/* ---- how it ends ---- */

static void log_end(const struct init *init, const char *outcome, const char *reason)
{
    log_info("init.end", log_int("version", init->version), log_text("outcome", outcome),
             log_text("runtime", init->runtime != NULL ? init->runtime->name : NULL),
             log_count("ms", loop_now_ms(init->service->loop) - init->started_at_ms),
             log_text("reason", reason));
}

static bool logs_errors(const struct init *init)
{
    const struct service_opts *opts = &init->service->opts;
    const struct runtime *runtime = init->runtime != NULL ? init->runtime : opts->fallback;

    return opts->logs_init_error || runtime->logs_init_error;
}

/*
 * Tell the client and the action's log why there is no action. In log mode the reason goes to
 * stderr, with sentinels, and the client gets `general`; else it gets the reason itself.
 */
static void reply_failed(struct init *init, const char *general, const char *why, bool in_log)
{
    struct service *service = init->service;
    char text[640];

    if (logs_errors(init)) {
        if (in_log) {
            sink_line_start(service->err, NULL);
            sink_add(service->err, NULL, why, strlen(why));
            sink_add(service->err, NULL, "\n", 1);
        }
        relay_write_sentinels(service->out, service->err);
        sink_flush(service->out);
        sink_flush(service->err);
        (void)snprintf(text, sizeof(text), "%s", general);
    } else {
        (void)snprintf(text, sizeof(text), "cannot start action: %s", why);
    }
    request_reply_error(init->request, 502, text);
}

/* The platform's own words, as they are; who reads the log finds them there too. */
static void reply_exhausted(struct init *init, const char *text)
{
    if (logs_errors(init))
        reply_failed(init, text, text, true);
    else
        request_reply_error(init->request, 502, text);
}

static void fail(struct init *init, const struct err *err)
{
    struct service *service = init->service;
    char text[640];

    log_end(init, "failed", err->text);
    service->init = NULL;
    switch (err->kind) {
    case ERR_NONE:
        assert(err->kind != ERR_NONE);
        break;
    case ERR_REQUEST:
        request_reply_error(init->request, 400, err->text);
        break;
    case ERR_REFUSED:
        request_reply_error(init->request, 403, err->text);
        break;
    case ERR_CODE:
        reply_failed(
            init,
            init->pool != NULL
                ? err->text /* the launcher's own words */
                : "The action failed to generate or locate a binary. See logs for details.",
            err->text, init->pool == NULL);
        break;
    case ERR_LIMIT:
        (void)snprintf(text, sizeof(text),
                       "The action exceeded its time limits of %llu milliseconds during "
                       "initialization.",
                       (unsigned long long)service->opts.init_ms);
        reply_failed(init,
                     init->pool != NULL ? text
                                        : "The action failed to generate or locate a binary. "
                                          "See logs for details.",
                     init->pool != NULL ? text : err->text, true);
        break;
    case ERR_EXHAUSTED:
        reply_exhausted(init, err->text);
        break;
    case ERR_ACTION:
        reply_failed(init, "Cannot start action. Check logs for details.", err->text, true);
        break;
    case ERR_SYSTEM:
        /* Not the action's fault: whoever runs this must hear it. */
        (void)snprintf(text, sizeof(text), "cannot start action: %s", err->text);
        reply_failed(init, text, err->text, true);
        break;
    }
    discard(init);
}

/* ---- the steps, last one first ---- */

static void reply_ok(struct init *init)
{
    prelaunch_done(&init->service->prelaunch); /* it waited for another runtime's code */
    request_reply(init->request, 200, xstrdup("{\"ok\":true}\n"), strlen("{\"ok\":true}\n"));
    init_free(init);
}

static void on_started(void *owner, const struct err *err)
{
    struct init *init = owner;
    struct service *service = init->service;

    if (err->kind != ERR_NONE) {
        fail(init, err);
        return;
    }
    log_end(init, "ok", NULL);
    prelaunch_done(&service->prelaunch); /* it waited for another runtime's code */
    versions_publish(service, TAKE(init->pool), init->version);
    stub_retire(service);
    service->init = NULL;
    reply_ok(init);
}

/* Whether workers of this runtime are made by fork. */
static bool forks(const struct service *service, const struct runtime *runtime)
{
    return service->opts.forks && runtime->forks;
}

/* What a launcher that waits must hear: runtime/README.md, Prelaunch and Fork. */
static void add_init_line(const struct init *init, struct buf *line)
{
    char *const *env = init->envelope.env;
    const char *comma = "";

    buf_add_text(line, "{\"init\":{\"path\":");
    json_quote(line, init->dir, strlen(init->dir));
    buf_add_text(line, ",\"main\":");
    json_quote(line, init->envelope.main, strlen(init->envelope.main));
    buf_add_text(line, ",\"env\":{");
    for (; env != NULL && *env != NULL; env++, comma = ",") {
        size_t n_name = strcspn(*env, "=");

        buf_add_text(line, comma);
        json_quote(line, *env, n_name);
        buf_add_text(line, ":");
        json_quote(line, *env + n_name + 1, strlen(*env + n_name + 1));
    }
    buf_add_text(line, forks(init->service, init->runtime) ? "},\"forks\":true}}\n" : "}}}\n");
}

static void start_workers(struct init *init)
{
    struct service *service = init->service;
    struct launch launch;
    struct launch waits;
    struct spawned waiting;
    struct buf line = {0};
    bool is_waiting;

    memset(&launch, 0, sizeof(launch));
    memset(&waits, 0, sizeof(waits));
    runtime_launch(init->runtime, init->dir, init->envelope.main, service->opts.environ,
                   init->envelope.env, &launch);
    launch.privileges = service->opts.privileges;
    if (launch.answers == ANSWERS_AUTO) {
        launch.answers = service->opts.answers;
        launch.reports_ready = launch.reports_ready || service->opts.wait_for_ack;
    }
    init->pool = pool_new(service->loop, &launch, &service->opts.pool, service->out, service->err);
    is_waiting =
        init->runtime == service->opts.fallback && prelaunch_take(&service->prelaunch, &waiting);
    if (is_waiting || forks(service, init->runtime))
        add_init_line(init, &line);
    if (forks(service, init->runtime) &&
        runtime_prelaunch(init->runtime, true, service->opts.environ, &waits)) {
        waits.privileges = service->opts.privileges;
        pool_start_forked(init->pool, &waits, is_waiting ? &waiting : NULL, &line, on_started,
                          init);
    } else {
        pool_start(init->pool, is_waiting ? &waiting : NULL, &line, on_started, init);
    }
}

static void on_staged(struct stage *stage)
{
    struct init *init = container_of(stage, struct init, stage);
    struct service *service = init->service;
    struct err err;

    if (stage->failed) {
        fail(init, &stage->err);
        return;
    }
    if (store_commit(service->store, init->version, &err) < 0) {
        fail(init, &err);
        return;
    }
    free(init->dir);
    init->dir = store_path(service->store, init->version, "bin");
    if (init->runtime == NULL)
        init->runtime =
            runtimes_for_folder(service->runtimes, service->opts.fallback, init->dir, &err);
    if (init->runtime == NULL) {
        fail(init, &err);
        return;
    }
    /* The code is on disk: its bytes are needed no more, and they may be many. */
    free(TAKE(init->envelope.code));
    start_workers(init);
}

static int begin_staging(struct init *init, struct err *err)
{
    struct service *service = init->service;
    struct envelope *envelope = &init->envelope;
    struct stage *stage = &init->stage;

    if (store_stage(service->store, &init->version, err) < 0)
        return -1;
    log_info("init.start", log_int("version", init->version),
             log_text("kind", code_kind_name(envelope->kind)),
             log_count("bytes", envelope->code_len));
    init->dir = store_path(service->store, init->version, "src");
    /* Its own, so that it may write beside its code. */
    if (privileges_give(service->opts.privileges, init->dir) < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot give folder \"%s\" to --user: %s", init->dir,
                       strerror(errno));
    stage->dir = init->dir;
    stage->name = runtimes_file_name(service->runtimes, service->opts.fallback, envelope->kind,
                                     &init->runtime);
    stage->code = envelope->code;
    stage->code_len = envelope->code_len;
    stage->direct_max_bytes = DIRECT_MAX_BYTES;
    stage->limits = service->opts.unpack;
    stage->privileges = service->opts.privileges;
    stage->done = on_staged;
    return stage_start(stage, service->loop, init->started_at_ms + service->opts.init_ms, err);
}

/* Whether an /init may begin now; false: it was answered. */
static bool admit(struct service *service, struct request *request)
{
    if (service->draining) {
        request_reply_error(request, 503, "The action is being shut down.");
    } else if (service->pool != NULL && !service->opts.allow_reinit) {
        /* The suites want to read it in the log too. */
        sink_line_start(service->err, NULL);
        sink_add(service->err, NULL, SECOND_INIT "\n", strlen(SECOND_INIT) + 1);
        sink_flush(service->err);
        request_reply_error(request, 403, SECOND_INIT);
    } else if (service->init != NULL) {
        request_reply_error(request, 403,
                            "Cannot initialize the action while another /init is in progress.");
    } else {
        return true;
    }
    return false;
}

void init_on_request(void *owner, struct request *request)
{
    struct service *service = owner;
    struct init *init;
    struct err err;
    size_t n;
    const char *body = request_body(request, &n);

    if (!admit(service, request))
        return;
    init = xcalloc(1, sizeof(*init));
    init->service = service;
    init->request = request;
    init->started_at_ms = loop_now_ms(service->loop);
    stage_init(&init->stage);
    service->init = init;
    init->envelope.takes_empty = service->opts.fallback->stub != NULL;
    if (envelope_read(&init->envelope, body, n, &err) == 0) {
        if (begin_staging(init, &err) < 0)
            fail(init, &err);
    } else if (err.kind == ERR_REFUSED && stub_adopt(service)) {
        service->init = NULL;
        reply_ok(init);
    } else {
        fail(init, &err);
    }
}

void init_cancel(struct service *service)
{
    struct init *init = service->init;

    if (init == NULL)
        return;
    service->init = NULL;
    log_end(init, "canceled", NULL);
    stage_cancel(&init->stage);
    request_reply_error(init->request, 503, "The action is being shut down.");
    discard(init);
}

void init_prelaunch(struct service *service)
{
    struct launch launch;

    memset(&launch, 0, sizeof(launch));
    if (service->opts.prelaunches && service->pool == NULL && !service->draining &&
        runtime_prelaunch(service->opts.fallback, forks(service, service->opts.fallback),
                          service->opts.environ, &launch)) {
        launch.privileges = service->opts.privileges;
        (void)prelaunch_start(&service->prelaunch, &launch, service->opts.pool.worker.pipe_bytes);
    }
}

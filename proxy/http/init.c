#include "http/init.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "action/carried.h"
#include "action/envelope.h"
#include "base/json.h"
#include "base/log.h"
#include "http/early.h"
#include "http/server.h"
#include "http/service.h"

#define CLEANUP_LOOK_MS 10 /* between two looks whether the processes of a failed /init are gone */
#define SECOND_INIT     "Cannot initialize the action more than once."
#define NOT_BUILT       "The action failed to generate or locate a binary. See logs for details."

/* One /init under way. */
struct init {
    struct service *service; /* borrowed */
    struct request *request; /* valid until the reply; NULL: the action is a carried one */
    struct envelope envelope;
    struct build build;
    struct pool *pool;         /* owned until it serves */
    struct loop_timer cleanup; /* after a failure: from the loop, once all processes are gone */
    uint64_t started_at_ms;
};

static void init_free(struct init *init)
{
    build_cancel(&init->build);
    envelope_done(&init->envelope);
    free(init);
}

/* Delete what was unpacked; a child process does it. */
static void drop_version(struct init *init)
{
    char *dir;

    if (init->build.version == 0 || init->service->opts.keeps_failed)
        return;
    dir = store_path(init->service->store, init->build.version, "");
    stage_remove_tree(dir);
    free(dir);
}

/* ---- how it ends ---- */

static bool logs_errors(const struct init *init)
{
    const struct service_opts *opts = &init->service->opts;
    const struct runtime *runtime =
        init->build.runtime != NULL ? init->build.runtime : opts->fallback;

    return opts->logs_init_error || runtime->logs_init_error;
}

static void say(struct service *service, const char *text, size_t n)
{
    sink_line_start(service->err, NULL);
    sink_add(service->err, NULL, text, n);
    sink_add(service->err, NULL, "\n", 1);
}

static void end_log(struct service *service)
{
    worker_write_sentinels(service->out, service->err);
    sink_flush(service->out);
    sink_flush(service->err);
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
        if (in_log)
            say(service, why, strlen(why));
        end_log(service);
        (void)snprintf(text, sizeof(text), "%s", general);
    } else {
        (void)snprintf(text, sizeof(text), "cannot start action: %s", why);
    }
    request_reply_error(init->request, 502, text);
}

/* Tell what the compiler said, word for word: in the reply or in the log, never in both. */
static void reply_unbuilt(struct init *init)
{
    struct service *service = init->service;
    struct buf *why = &init->build.why;

    if (logs_errors(init)) {
        say(service, buf_at(why), buf_len(why));
        end_log(service);
        request_reply_error(init->request, 502, NOT_BUILT);
    } else {
        buf_add(why, "", 1);
        request_reply_error(init->request, 502, buf_at(why));
    }
}

static void on_cleanup(struct loop_timer *timer)
{
    struct init *init = container_of(timer, struct init, cleanup);
    struct loop *loop = init->service->loop;

    /* Workers that were told to end may take their time. */
    if (init->pool != NULL && pool_n_processes(init->pool) > 0) {
        loop_timer_set(loop, timer, loop_now_ms(loop) + CLEANUP_LOOK_MS);
        return;
    }
    pool_free(&init->pool);
    drop_version(init);
    init->service->n_ending--;
    if (init->request == NULL && buf_len(&init->build.why) > 0)
        early_failed(init->service, buf_at(&init->build.why));
    init_prelaunch(init->service);
    init_free(init);
}

static void reply_reason(struct init *init, const struct err *err)
{
    struct service *service = init->service;
    char text[640];

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
        reply_failed(init,
                     init->pool != NULL ? err->text /* the launcher's own words */
                                        : NOT_BUILT,
                     err->text, init->pool == NULL);
        break;
    case ERR_LIMIT:
        (void)snprintf(text, sizeof(text),
                       "The action exceeded its time limits of %llu milliseconds during "
                       "initialization.",
                       (unsigned long long)service->opts.init_ms);
        reply_failed(init, init->pool != NULL ? text : NOT_BUILT,
                     init->pool != NULL ? text : err->text, true);
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
}

static void clean_up(struct init *init)
{
    struct service *service = init->service;

    if (init->pool != NULL)
        pool_stop(init->pool);
    service->n_ending++;
    loop_timer_set(service->loop, &init->cleanup, loop_now_ms(service->loop));
}

/* A carried action's failure is told once nothing of it is left: the proxy may end over it. */
static void note_reason(struct init *init, const struct err *err)
{
    struct buf *why = &init->build.why;

    if (buf_len(why) == 0)
        buf_add_text(why, err->text);
    buf_add(why, "", 1);
}

static void fail(struct init *init, const struct err *err)
{
    struct service *service = init->service;

    log_info("init.failed version=%u reason=\"%s\"", init->build.version, err->text);
    service->init = NULL;
    if (init->request == NULL)
        note_reason(init, err);
    else if (buf_len(&init->build.why) > 0)
        reply_unbuilt(init);
    else
        reply_reason(init, err);
    clean_up(init);
}

/* ---- the steps, last one first ---- */

static void on_started(void *owner, const struct err *err)
{
    struct init *init = owner;
    struct service *service = init->service;

    if (err->kind != ERR_NONE) {
        fail(init, err);
        return;
    }
    log_info("init.done version=%u runtime=%s after_ms=%llu", init->build.version,
             init->build.runtime->name,
             (unsigned long long)(loop_now_ms(service->loop) - init->started_at_ms));
    prelaunch_done(&service->prelaunch); /* it waited for another runtime's code */
    service->pool = TAKE(init->pool);
    service->init = NULL;
    if (init->request != NULL)
        request_reply(init->request, 200, xstrdup("{\"ok\":true}\n"), strlen("{\"ok\":true}\n"));
    else
        early_started(service);
    init_free(init);
}

/* What a launcher that waits must hear: runtime/README.md, Prelaunch. */
static void add_init_line(const struct init *init, struct buf *line)
{
    char *const *env = init->envelope.env;
    const char *comma = "";

    buf_add_text(line, "{\"init\":{\"path\":");
    json_quote(line, init->build.dir, strlen(init->build.dir));
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
    buf_add_text(line, "}}}\n");
}

static void start_workers(struct init *init)
{
    struct service *service = init->service;
    const struct actionloop *actionloop = &service->opts.actionloop;
    const struct runtime *runtime = init->build.runtime;
    struct launch launch;
    struct spawned waiting;
    struct buf line = {0};
    bool is_waiting;

    memset(&launch, 0, sizeof(launch));
    runtime_launch(runtime, init->build.dir, init->envelope.main, service->opts.environ,
                   init->envelope.env, &launch);
    if (launch.answers == ANSWERS_AUTO) {
        launch.answers = service->opts.answers;
        launch.reports_ready = launch.reports_ready || actionloop->wait_for_ack;
        /* There an action's launch script goes to its folder by itself, and a program stays here. */
        if (actionloop->on)
            free(TAKE(launch.cwd));
    }
    init->pool = pool_new(service->loop, &launch, &service->opts.pool, service->out, service->err);
    is_waiting = runtime == service->opts.fallback && prelaunch_take(&service->prelaunch, &waiting);
    if (is_waiting)
        add_init_line(init, &line);
    pool_start(init->pool, is_waiting ? &waiting : NULL, &line, on_started, init);
}

/* Whether this image's compiler has made what is there; others' programs may not run here. */
static int check_built(struct init *init, struct err *err)
{
    struct service *service = init->service;
    char said[512];
    int result;

    if (init->build.runtime->answers != ANSWERS_AUTO)
        return 0;
    result =
        actionloop_check_built(&service->opts.actionloop, init->build.dir, said, sizeof(said), err);
    if (said[0] != '\0') {
        sink_line_start(service->out, NULL);
        sink_add(service->out, NULL, said, strlen(said));
    }
    return result;
}

static void on_built(struct build *build)
{
    struct init *init = container_of(build, struct init, build);
    struct service *service = init->service;
    struct err err;

    if (build->failed) {
        fail(init, &build->err);
        return;
    }
    /* Before whatever the action itself has to say. */
    if (buf_len(&build->said) > 0) {
        sink_line_start(service->err, NULL);
        sink_add(service->err, NULL, buf_at(&build->said), buf_len(&build->said));
    }
    if (check_built(init, &err) < 0)
        fail(init, &err);
    else
        start_workers(init);
}

static int begin_build(struct init *init, struct err *err)
{
    struct service *service = init->service;

    init->build.opts = &service->opts.build;
    init->build.envelope = &init->envelope;
    init->build.done = on_built;
    return build_start(&init->build, service->loop, init->started_at_ms + service->opts.init_ms,
                       err);
}

/* Whether an /init may begin now; false: it was answered. */
static bool admit(struct service *service, struct request *request)
{
    if (service->draining) {
        request_reply_error(request, 503, "The action is being shut down.");
    } else if (service->pool != NULL) {
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

/* request: NULL for a carried action. */
static struct init *init_new(struct service *service, struct request *request)
{
    struct init *init = xcalloc(1, sizeof(*init));

    assert(service->init == NULL);
    init->service = service;
    init->request = request;
    init->started_at_ms = loop_now_ms(service->loop);
    build_init(&init->build);
    loop_timer_init(&init->cleanup, on_cleanup);
    service->init = init;
    return init;
}

void init_on_request(void *owner, struct request *request)
{
    struct service *service = owner;
    struct init *init;
    struct err err;
    size_t n;
    const char *body = request_body(request, &n);

    if (early_keeps_init(service, request) || !admit(service, request))
        return;
    init = init_new(service, request);
    if (envelope_read(&init->envelope, body, n, &err) < 0 || begin_build(init, &err) < 0)
        fail(init, &err);
}

void init_carried(struct service *service, struct carried *carried)
{
    struct init *init = init_new(service, NULL);
    struct err err;

    init->envelope = carried->envelope;
    memset(&carried->envelope, 0, sizeof(carried->envelope));
    if (carried->dir != NULL) {
        build_in_place(&init->build, TAKE(carried->dir), carried->runtime);
        on_built(&init->build);
    } else if (begin_build(init, &err) < 0) {
        fail(init, &err);
    }
}

void init_cancel(struct service *service)
{
    struct init *init = service->init;

    if (init == NULL)
        return;
    service->init = NULL;
    build_cancel(&init->build);
    if (init->request != NULL)
        request_reply_error(init->request, 503, "The action is being shut down.");
    else
        early_canceled(service);
    clean_up(init);
}

void init_prelaunch(struct service *service)
{
    struct launch launch;

    memset(&launch, 0, sizeof(launch));
    if (service->opts.prelaunches && service->pool == NULL && !service->draining &&
        runtime_prelaunch(service->opts.fallback, service->opts.environ, &launch))
        (void)prelaunch_start(&service->prelaunch, &launch, service->opts.pool.worker.pipe_bytes);
}

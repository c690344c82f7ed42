#include "http/init.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "action/envelope.h"
#include "action/preloaded.h"
#include "action/user_names.h"
#include "base/json.h"
#include "base/log.h"
#include "http/connection.h"
#include "http/default_action.h"
#include "http/reason.h"
#include "http/request.h"
#include "http/service.h"
#include "http/versions.h"
#include "worker/forwarder.h"

#define SECOND_INIT "Cannot initialize the action more than once."
#define NOT_BUILT   "The action failed to generate or locate a binary. See logs for details."

/* One /init in progress. */
struct init {
    struct service *service; /* borrowed */
    struct request *request; /* valid until the reply; NULL: a preloaded action */
    const char *origin; /* what named a preloaded action, such as "--action"; NULL: POST /init */
    init_done_fn *done; /* called with the outcome of a preloaded action; NULL: POST /init */
    void *owner;
    struct envelope envelope;
    struct build build;
    struct pool *pool; /* owned until the action serves; NULL: no worker is started yet */
    struct reason reason;
    struct user_names names;
    uint64_t started_at_ms;
    uint64_t n_held; /* bytes counted in service->held for the code */
};

static void drop_held(struct init *init)
{
    assert(init->n_held <= init->service->held.bytes);
    held_drop(&init->service->held, init->n_held);
    init->n_held = 0;
}

static void init_free(struct init *init)
{
    assert(init->service->init != init);
    assert(init->pool == NULL);
    reason_done(&init->reason);
    user_names_done(&init->names);
    build_cancel(&init->build);
    envelope_done(&init->envelope);
    drop_held(init);
    free(init);
}

/* End the processes of a failed or canceled /init, and delete its folder unless -debug is set. */
static void discard(struct init *init)
{
    unsigned number = init->service->opts.build.keeps_failed ? 0 : init->build.version;

    versions_discard(init->service, TAKE(init->pool), number);
    init_free(init);
}

/* ---- how an /init ends ---- */

static void log_end(const struct init *init, const char *outcome, const char *reason)
{
    const struct runtime *runtime = init->build.runtime;

    log_info("init.end", log_int("version", init->build.version), log_text("outcome", outcome),
             log_text("runtime", runtime != NULL ? runtime->name : NULL),
             log_count("ms", loop_now_ms(init->service->loop) - init->started_at_ms),
             log_text("reason", reason));
}

/* The action's runtime, or the fallback runtime if the action's is not known or if the default
 * action serves. */
static const struct runtime *runtime_of(const struct init *init)
{
    return init->build.runtime != NULL ? init->build.runtime : init->service->opts.fallback;
}

static bool logs_errors(const struct init *init)
{
    return init->service->opts.logs_init_error || runtime_of(init)->logs_init_error;
}

/* Write a text to the action's log, such as a compiler's message. Sentinels in the text are
 * disarmed, so that they do not end an activation's log. */
static void say_words(struct output *output, const char *text, size_t n)
{
    auto_free char *words = xstrndup(text, n);

    sentinel_disarm(words, n);
    output_line_start(output, NULL);
    output_add(output, NULL, words, n);
}

static void say(struct service *service, const char *text, size_t n)
{
    say_words(service->err, text, n);
    output_add(service->err, NULL, "\n", 1);
}

static void end_log(struct service *service)
{
    forwarder_write_sentinels(service->out, service->err);
    output_flush(service->out);
    output_flush(service->err);
}

/* Reply with 502: the action cannot start. If errors of /init belong in the action's log
 * (logs_errors()), log `why` and then sentinels, and tell the client `general`. Otherwise tell the
 * client `why`. in_log: false leaves `why` out of the log. */
static void reply_failed(struct init *init, const char *general, const char *why, bool in_log)
{
    struct service *service = init->service;
    const char *lacks = init->build.lacks;
    char text[640];

    if (logs_errors(init)) {
        if (in_log)
            say(service, why, strlen(why));
        end_log(service);
        (void)snprintf(text, sizeof(text), "%.256s%s%s", lacks != NULL ? lacks : "",
                       lacks != NULL ? ". " : "", general);
    } else {
        (void)snprintf(text, sizeof(text), "cannot start action: %s", why);
    }
    request_reply_error(init->request, 502, text);
}

/* Whether the action's log shows the user's own file names in place of ours. Without
 * opts.renames_log, the log is passed on unchanged if the /init names no file, as on the platform,
 * or if the file's name has a newline, which could forge a sentinel. */
static bool renames_log(const struct init *init)
{
    return init->service->opts.renames_log ||
           (init->envelope.file != NULL && strchr(init->envelope.file, '\n') == NULL);
}

/* Pass the compiler's message on, without words of our own. If logs_errors(), it goes to the log,
 * and into the reply only if the compiler's exit status asks for that. Otherwise it goes into the
 * reply. */
static void reply_unbuilt(struct init *init)
{
    struct buf *why = &init->build.why;

    if (logs_errors(init)) {
        auto_buf struct buf text = {0};

        user_names_put(renames_log(init) ? &init->names : NULL, buf_at(why), buf_len(why), &text);
        say(init->service, buf_at(&text), buf_len(&text));
        end_log(init->service);
    }
    buf_add(why, "", 1);
    request_reply_error(init->request, 502,
                        logs_errors(init) && !init->build.tells_client ? NOT_BUILT : buf_at(why));
}

static void reply_reason(struct init *init, const struct err *err)
{
    char text[640];

    switch (err->kind) {
    case ERR_NONE:
        assert(err->kind != ERR_NONE);
        break;
    case ERR_REQUEST:
        request_reply_error(init->request, 400, err->text);
        break;
    case ERR_NO_CODE:
        request_reply_error(init->request, 403, err->text);
        break;
    case ERR_CODE:
        /* If init->pool is set, the build has succeeded and a worker failed to start. err->text is
         * then the launcher's reason, which it has logged itself, or the reason why exec() refused
         * the program. Do not log it here. */
        reply_failed(init, init->pool != NULL ? err->text : NOT_BUILT, err->text,
                     init->pool == NULL);
        break;
    case ERR_LIMIT:
        reply_failed(init, NOT_BUILT, err->text, true);
        break;
    case ERR_TIMEOUT:
        (void)snprintf(text, sizeof(text),
                       "The action exceeded its time limits of %llu milliseconds during "
                       "initialization.",
                       (unsigned long long)init->service->opts.init_ms);
        reply_failed(init, text, text, true);
        break;
    case ERR_EXHAUSTED:
        if (logs_errors(init))
            reply_failed(init, err->text, err->text, true);
        else /* the platform prescribes this text: add no other words */
            request_reply_error(init->request, 502, err->text);
        break;
    case ERR_ACTION:
        /* err->os is set if the program could not be run. It has then logged nothing, so log the
         * detail. */
        if (err->detail[0] != '\0' && err->os != 0)
            say(init->service, err->detail, strlen(err->detail));
        if (err->detail[0] != '\0' && err->os != 0 && !logs_errors(init))
            end_log(init->service);
        reply_failed(init, "Cannot start action. Check logs for details.", err->text, true);
        break;
    case ERR_SYSTEM:
        /* Not the action's fault: tell the client the reason even if logs_errors(). */
        (void)snprintf(text, sizeof(text), "cannot start action: %s", err->text);
        reply_failed(init, text, err->text, true);
        break;
    }
}

static void rename_log(void *owner, const char *bytes, size_t n, struct buf *out)
{
    user_names_put(owner, bytes, n, out);
}

/* Tell the owner of a preloaded action in one short text why the action failed. What the action
 * wrote is left out: it is in the log already. full: the reason, then what the action wrote. */
static void tell_owner(struct init *init, const struct err *err, const struct buf *full)
{
    const struct reason nothing = {.serving = NULL};
    auto_buf struct buf text = {0};

    reason_compose(&nothing, err, &init->build.why, &init->names, NULL, &text);
    init->done(init->owner, buf_at(&text), buf_len(&text), full);
}

/* start_workers() has set service->names, the file names that the log shows, for the version that
 * failed. If another version still serves, set that version's names again. */
static void give_back_names(struct init *init)
{
    if (init->pool != NULL && init->service->pool != NULL)
        user_names_swap(&init->service->names, &init->names);
}

static void fail(struct init *init, const struct err *err)
{
    struct buf *why = &init->build.why;
    auto_buf struct buf reason = {0};

    assert(init->service->init == init);
    give_back_names(init);
    build_name_files(&init->build, &init->envelope, &init->names);
    reason_compose(&init->reason, err, why, &init->names,
                   init->build.runtime != NULL ? init->build.runtime->dir : NULL, &reason);
    log_end(init, "failed", err->text);
    init->service->init = NULL;
    if (init->request != NULL)
        reason_add_header(init->request, buf_at(&reason), buf_len(&reason));
    if (init->request == NULL)
        tell_owner(init, err, &reason);
    else if (buf_len(why) > 0)
        reply_unbuilt(init);
    else
        reply_reason(init, err);
    discard(init);
}

/* ---- the steps, last one first ---- */

static void reply_ok(struct init *init)
{
    prewarmed_done(&init->service->prewarmed); /* end a launcher that this action did not use */
    init->service->is_preloaded = init->request == NULL;
    if (init->request != NULL)
        request_reply_ok(init->request, runtime_of(init)->init_reply);
    else
        init->done(init->owner, NULL, 0, NULL);
    init_free(init);
}

static void on_started(void *owner, const struct err *err)
{
    struct init *init = owner;
    struct service *service = init->service;

    assert(service->init == init);
    assert(init->pool != NULL);
    if (err->kind != ERR_NONE) {
        fail(init, err);
        return;
    }
    log_end(init, "ok", NULL);
    versions_publish(service, TAKE(init->pool), init->build.version);
    default_action_retire(service);
    service->init = NULL;
    reply_ok(init);
}

static void start_workers(struct init *init)
{
    struct service *service = init->service;
    const struct actionloop *actionloop = &service->opts.actionloop;
    const struct runtime *runtime = init->build.runtime;
    const struct prewarmed_told told = {init->build.dir, init->envelope.main, init->envelope.env};
    struct exec_spec spec;
    struct exec_spec waiting_spec;
    struct spawned waiting;
    struct buf line = {0};
    bool is_waiting;

    assert(init->pool == NULL);
    memset(&spec, 0, sizeof(spec));
    memset(&waiting_spec, 0, sizeof(waiting_spec));
    privileges_borrow(service->opts.privileges); /* read the folder with the action user's rights */
    runtime_exec_spec(runtime, init->build.dir, init->envelope.main, service->opts.environ,
                      init->envelope.env, &spec);
    privileges_return(service->opts.privileges);
    spec.privileges = service->opts.privileges;
    if (spec.answers == ANSWERS_AUTO) {
        spec.answers = service->opts.answers;
        spec.reports_ready = spec.reports_ready || actionloop->wait_for_ack;
        /* In an ActionLoop image, programs start in the proxy's folder, so set no working folder. A
         * launch script changes to the action's folder itself. */
        if (actionloop->on)
            free(TAKE(spec.cwd));
    }
    prewarmed_set_instead(runtime, service->opts.environ, &told, &spec);
    reason_listen(&init->reason, service->out, service->err, service->pool);
    if (renames_log(init)) {
        build_name_files(&init->build, &init->envelope, &init->names);
        service->err->rewrite = rename_log;
        service->err->rewrite_owner = &service->names;
    }
    user_names_swap(&service->names, &init->names);
    init->pool = pool_new(service->loop, &spec, &service->opts.pool, service->out, service->err);
    is_waiting = prewarmed_take(&service->prewarmed, runtime, &waiting);
    if (is_waiting || service_forks(service, runtime))
        prewarmed_add_line(&line, &told, service_forks(service, runtime));
    if (service_forks(service, runtime) &&
        runtime_prewarm(runtime, true, service->opts.environ, &waiting_spec)) {
        waiting_spec.privileges = service->opts.privileges;
        pool_start_forked(init->pool, &waiting_spec, is_waiting ? &waiting : NULL, &line,
                          on_started, init);
    } else {
        pool_start(init->pool, is_waiting ? &waiting : NULL, &line, on_started, init);
    }
}

/* Check that this image's compiler built the folder: programs built for other images might fail
 * here. */
static int check_built(struct init *init, struct err *err)
{
    struct service *service = init->service;
    char said[512];
    int result;

    if (init->build.runtime->answers != ANSWERS_AUTO)
        return 0;
    /* Check with the rights of the action's user: a link may lead to a file that the action must
     * not read. */
    privileges_borrow(service->opts.privileges);
    result =
        actionloop_check_built(&service->opts.actionloop, init->build.dir, said, sizeof(said), err);
    privileges_return(service->opts.privileges);
    if (said[0] != '\0') {
        say_words(service->out, said, strlen(said));
        output_flush(service->out); /* the log must be written before the reply */
    }
    return result;
}

/* In an image made for Apache's docker skeleton, move the program of this /init to the folder where
 * the image's own program would be. */
static int settle(struct init *init, struct err *err)
{
    const struct service_opts *opts = &init->service->opts;
    struct build *build = &init->build;

    if (opts->skeleton_dir == NULL || build->version == 0 || build->runtime != opts->fallback ||
        strcmp(init->service->store->base, opts->skeleton_dir) != 0)
        return 0;
    if (store_settle(init->service->store, build->version, err) < 0)
        return -1;
    free(build->dir);
    build->dir = xstrdup(opts->skeleton_dir);
    return 0;
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
    drop_held(init); /* the code is on disk now, and no longer in memory */
    init->reason.lacks = build->lacks;
    /* Log the compiler's messages now, before the action writes any output. */
    if (buf_len(&build->said) > 0)
        say_words(service->err, buf_at(&build->said), buf_len(&build->said));
    if (check_built(init, &err) < 0 || settle(init, &err) < 0)
        fail(init, &err);
    else
        start_workers(init);
}

static int begin_build(struct init *init, struct err *err)
{
    struct service *service = init->service;
    struct build *build = &init->build;

    build->opts = &service->opts.build;
    build->envelope = &init->envelope;
    build->done = on_built;
    if (build_start(build, service->loop, init->started_at_ms + service->opts.init_ms, err) < 0)
        return -1;
    log_info("init.start", log_int("version", build->version),
             log_text("kind", code_kind_name(init->envelope.kind)),
             log_count("bytes", init->envelope.code_len), log_text("origin", init->origin));
    return 0;
}

/* Whether an /init may begin now. false: it was refused, and the request is answered. */
static bool admit(struct service *service, struct request *request, enum gate_pass pass)
{
    if (pass == GATE_FULL) {
        request_reply_full(request, SERVICE_TOO_MANY_HELD);
    } else if (service->draining) {
        request_reply_error(request, 503, "The action is being shut down.");
    } else if (service->cannot_start != NULL) {
        auto_free char *text = xasprintf("cannot start action: %s", service->cannot_start);

        request_reply_error(request, 502, text);
    } else if (service->pool != NULL && !service->opts.allow_reinit) {
        /* Apache's test suites expect this text in the log, too. */
        output_line_start(service->err, NULL);
        output_add(service->err, NULL, SECOND_INIT "\n", strlen(SECOND_INIT) + 1);
        output_flush(service->err);
        request_reply_error(request, 403, SECOND_INIT);
    } else if (service->init != NULL) {
        request_reply_error(request, 403,
                            "Cannot initialize the action while another /init is in progress.");
    } else {
        return true;
    }
    return false;
}

/* Choose the runtime for plain source by the name of its file, if the name is known. Decide by name
 * or text whether a script (#!) is source or a program. -1: no runtime takes the file. */
static int choose_language(struct init *init, struct err *err)
{
    const struct service_opts *opts = &init->service->opts;
    struct envelope *envelope = &init->envelope;
    struct err why;

    if (envelope->kind == CODE_SCRIPT &&
        runtimes_script_is_source(opts->build.runtimes, opts->fallback, envelope->file,
                                  envelope->code, envelope->code_len, envelope->main))
        envelope->kind = CODE_SOURCE;
    if (envelope->file == NULL || envelope->kind != CODE_SOURCE ||
        !code_is_text(envelope->code, envelope->code_len))
        return 0;
    init->build.source =
        runtimes_for_source(opts->build.runtimes, opts->fallback, envelope->file, &why);
    return init->build.source != NULL
               ? 0
               : err_set(err, ERR_CODE, 0, "%s: %s", envelope->file, why.text);
}

/* request: NULL for a preloaded action. */
static struct init *init_new(struct service *service, struct request *request)
{
    struct init *init = xcalloc(1, sizeof(*init));

    assert(service->init == NULL);
    init->service = service;
    init->request = request;
    init->started_at_ms = loop_now_ms(service->loop);
    build_init(&init->build);
    service->init = init;
    return init;
}

/* Decode the code in place, in the memory of the request's body: the body may be large, and is not
 * needed again. */
static int fill_envelope(struct init *init, const struct envelope_parts *parts, struct err *err)
{
    struct body body;
    int result;

    request_take_body(init->request, &body);
    init->n_held = body.n_held;
    result = envelope_fill(&init->envelope, parts, body.block, err);
    if (init->n_held > init->envelope.code_len) {
        held_drop(&init->service->held, init->n_held - init->envelope.code_len);
        init->n_held = init->envelope.code_len;
    }
    return result;
}

static int find_parts(const struct request *request, bool takes_empty, struct envelope_parts *parts,
                      struct err *err)
{
    size_t n;
    const char *body = request_body(request, &n);

    return envelope_find(parts, body, n, takes_empty, err);
}

void init_on_request(void *owner, struct request *request)
{
    struct service *service = owner;
    struct init *init;
    struct envelope_parts parts = {0};
    struct err err;
    enum gate_pass pass = service_gate(service, request, init_on_request);
    bool takes_empty = service->opts.fallback->stub != NULL;
    int found = 0;

    if (pass == GATE_HELD)
        return;
    if (pass == GATE_OPEN && service->is_preloaded && !service->draining) {
        found = find_parts(request, takes_empty, &parts, &err);
        /* The platform sends an /init without code to an image that has an action of its own. That
         * action serves already. */
        if (found < 0 && err.kind == ERR_NO_CODE) {
            request_reply_ok(request, service->opts.fallback->init_reply);
            return;
        }
    }
    if (!admit(service, request, pass))
        return;
    init = init_new(service, request);
    if (!service->is_preloaded)
        found = find_parts(request, takes_empty, &parts, &err);
    if (found < 0 && err.kind == ERR_NO_CODE && default_action_adopt(service)) {
        service->init = NULL;
        reply_ok(init);
    } else if (found < 0 || fill_envelope(init, &parts, &err) < 0 ||
               choose_language(init, &err) < 0 || begin_build(init, &err) < 0) {
        fail(init, &err);
    }
}

void init_preloaded(struct service *service, struct preloaded *preloaded, init_done_fn *done,
                    void *owner)
{
    struct init *init = init_new(service, NULL);
    struct err err;

    assert(preloaded->dir == NULL || preloaded->runtime != NULL);
    init->origin = preloaded->origin;
    init->done = done;
    init->owner = owner;
    init->envelope = preloaded->envelope;
    memset(&preloaded->envelope, 0, sizeof(preloaded->envelope));
    init->build.source = preloaded->runtime;
    if (preloaded->dir != NULL) {
        log_info("init.start", log_text("folder", preloaded->dir),
                 log_text("origin", init->origin));
        build_in_place(&init->build, TAKE(preloaded->dir), preloaded->runtime);
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
    give_back_names(init);
    log_end(init, "canceled", NULL);
    build_cancel(&init->build);
    if (init->request != NULL)
        request_reply_error(init->request, 503, "The action is being shut down.");
    else
        init->done(init->owner, NULL, 0, NULL);
    discard(init);
}

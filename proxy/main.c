/*
 * main - read the settings, listen, build from the bottom up, run, take down in reverse.
 */

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "action/actionloop.h"
#include "action/carried.h"
#include "base/cpus.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "build-paths.h"
#include "config.h"
#include "http/init.h"
#include "http/knative.h"
#include "http/run.h"
#include "http/server.h"
#include "http/service.h"
#include "precompile.h"

#define DRAIN_LOOK_MS     20          /* between two looks whether all is finished */
#define FLUSH_MAX_MS      1000        /* at the very end, for a log collector that is slow */
#define KEEP_MALLOC_BYTES (64u << 20) /* blocks up to this stay ours: library-facts A3 */

/* All that the program holds; lives on main's stack. */
struct app {
    struct config config;
    struct loop *loop;
    struct server *server;
    struct actionloop actionloop;
    struct knative knative;
    struct runtimes runtimes;
    struct store store;
    struct sink out;
    struct sink err;
    struct service service;
    struct loop_timer drain; /* while draining: looks whether all is finished */
    uint64_t drain_until_ms; /* then running activations are given up */
    bool stopping;           /* workers were told to end */
    int status;              /* what the program ends with when all went well with itself */
    bool all_closed;         /* no connection is left that holds on to the loop */
};

static int fail(const struct err *err)
{
    (void)fprintf(stderr, "whiskloop: %s\n", err->text);
    return 1;
}

/* ---- the end: drain, stop the action, leave ---- */

/* Steps of the end, in order; called again until the last one is done. */
static void drain_step(struct app *app)
{
    struct service *service = &app->service;
    bool late = loop_now_ms(app->loop) >= app->drain_until_ms;

    if (service->init != NULL && late)
        init_cancel(service);
    if (!app->stopping && service->pool != NULL && (late || pool_n_jobs(service->pool) == 0)) {
        app->stopping = true;
        pool_stop(service->pool);
    }
    if (service->init == NULL && service->n_ending == 0 &&
        (service->pool == NULL || pool_n_processes(service->pool) == 0) &&
        server_n_open(app->server) == 0) {
        server_drain(app->server);
        loop_stop(app->loop);
        return;
    }
    loop_timer_set(app->loop, &app->drain, loop_now_ms(app->loop) + DRAIN_LOOK_MS);
}

static void on_drain(struct loop_timer *timer)
{
    drain_step(container_of(timer, struct app, drain));
}

/* The first signal drains, a second one hurries. */
static void on_signal(void *owner, int signo)
{
    struct app *app = owner;

    log_info("main.signal signo=%d", signo);
    app->drain_until_ms = loop_now_ms(app->loop);
    if (!app->service.draining)
        app->drain_until_ms += app->config.drain_timeout_ms;
    app->service.draining = true;
    drain_step(app);
}

/* ---- the beginning ---- */

/* Descriptors 0 to 3 are the action's by number: none of ours may ever land there. */
static void occupy_low_descriptors(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (fd >= 0 && fd <= 3);
    if (fd >= 0)
        (void)close(fd);
}

/* Beside the program in a build folder, else where it was installed. Caller frees. */
static char *default_runtime_dir(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    struct stat info;
    char *dir;

    if (n > 0) {
        path[n] = '\0';
        if (strcmp(path, BUILD_PROGRAM) == 0)
            return xstrdup(SOURCE_RUNTIME_DIR);
        dir = xasprintf("%s/" INSTALLED_RUNTIME_DIR, dirname(path));
        if (stat(dir, &info) == 0)
            return dir;
        free(dir);
    }
    return xstrdup(PREFIX_RUNTIME_DIR);
}

/* Which runtime takes plain source text: the one that was named, else what the image is made for. */
static const char *fallback_name(const struct app *app)
{
    bool is_auto = strcmp(app->config.runtime, "auto") == 0;

    if (app->actionloop.compiler != NULL && (is_auto || strcmp(app->config.runtime, "native") == 0))
        return ACTIONLOOP_RUNTIME;
    if (!is_auto)
        return app->config.runtime;
    return app->actionloop.on ? "native" : "python";
}

static int load_runtimes(struct app *app, struct err *err)
{
    struct service_opts *opts = &app->service.opts;
    bool is_given = app->config.runtime_dir[0] != '\0';
    auto_free char *dir = is_given ? xstrdup(app->config.runtime_dir) : default_runtime_dir();

    /* In the images of others there is this program and nothing else of ours. */
    if ((is_given || !app->actionloop.on || access(dir, F_OK) == 0) &&
        runtimes_load(&app->runtimes, dir, err) < 0)
        return -1;
    actionloop_add_native(&app->runtimes);
    if (app->actionloop.compiler != NULL)
        actionloop_add_compiler(&app->runtimes, app->actionloop.compiler);
    opts->fallback = runtimes_find(&app->runtimes, fallback_name(app));
    if (opts->fallback == NULL)
        return err_set(err, ERR_REQUEST, 0,
                       "--runtime=%s: no such folder with a runtime.json in %s", fallback_name(app),
                       dir);
    return 0;
}

/* The folder of actions. In the images of ActionLoop it is ./action, but where nobody may write. */
static int open_store(struct app *app, struct err *err)
{
    const char *dir = app->config.action_dir;

    if (dir[0] != '\0' || !app->actionloop.on)
        return store_open(&app->store, dir, err);
    if (store_open(&app->store, "action", err) == 0 && access(app->store.base, W_OK) == 0)
        return 0;
    store_close(&app->store);
    return store_open(&app->store, NULL, err);
}

static enum answers answers_mode(const struct app *app)
{
    if (strcmp(app->config.answers, "stdout") == 0)
        return ANSWERS_STDOUT;
    if (strcmp(app->config.answers, "fd3") == 0 || app->actionloop.on)
        return ANSWERS_FD3;
    return ANSWERS_AUTO;
}

static bool allows_concurrency(void)
{
    const char *allowed = getenv("__OW_ALLOW_CONCURRENT");

    return allowed != NULL && strcmp(allowed, "true") == 0;
}

static void set_options(struct app *app)
{
    const struct config *config = &app->config;

    app->service.opts = (struct service_opts){
        .pool = {.n_workers = config->workers > 0 ? (unsigned)config->workers : cpus_usable(),
                 .queue_max = (unsigned)config->queue_max,
                 .restart = {.pause_ms = config->restart_pause_ms,
                             .pause_max_ms = config->restart_pause_max_ms,
                             .broken_after = (unsigned)config->broken_after,
                             .broken_life_ms = config->broken_life_ms},
                 .worker = {.start_ms = config->init_timeout_ms,
                            .settle_ms = config->settle_ms,
                            .kill_ms = config->kill_ms,
                            .answer_max_bytes = config->answer_max_bytes,
                            .ahead_max = (unsigned)config->write_ahead,
                            .pipe_bytes = 1 << 20}},
        .actionloop = app->actionloop,
        .environ = environ,
        .run_ms = config->timeout_ms,
        .margin_ms = config->deadline_margin_ms,
        .init_ms = config->init_timeout_ms,
        .answers = answers_mode(app),
        .keeps_failed = config->debug,
        .prelaunches = config->prelaunch != 0,
        .one_at_a_time = config->one_at_a_time != 0 && !allows_concurrency(),
        .logs_init_error = config->log_init_error != 0,
    };
}

/* What the making of an action needs to know, once the parts are there. */
static void set_build_options(struct app *app)
{
    const struct config *config = &app->config;
    struct service_opts *opts = &app->service.opts;

    opts->build = (struct build_opts){
        .unpack = {.bytes_max = config->unpack_max_bytes,
                   .entries_max = config->unpack_entries_max,
                   .ratio_max = (unsigned)config->unpack_ratio_max},
        .store = &app->store,
        .runtimes = &app->runtimes,
        .fallback = opts->fallback,
        .environ = opts->environ,
        .save_jar = app->actionloop.save_jar,
    };
}

/* An action that this image was made for does not start: there is nothing to wait for. */
static void on_carried_failed(void *owner, const char *why)
{
    struct app *app = owner;

    (void)fprintf(stderr, "whiskloop: cannot serve the action of %s: %s\n",
                  app->service.early.origin, why);
    app->status = 1;
    app->service.draining = true;
    app->drain_until_ms = loop_now_ms(app->loop) + app->config.drain_timeout_ms;
    drain_step(app);
}

/* Begin with the action that the image or the command line carries, or be ready for an /init. */
static int begin_action(struct app *app, struct err *err)
{
    struct carried_opts opts = {.path = app->config.action,
                                .main = app->config.main,
                                .bytes_max = app->config.init_max_bytes,
                                .folder_is_theirs = app->actionloop.on,
                                .runtimes = &app->runtimes,
                                .fallback = app->service.opts.fallback};
    struct carried carried = {.dir = NULL};
    int found = carried_find(&carried, &opts, err);

    early_init(&app->service.early, on_carried_failed, app);
    if (found < 0 && carried.may_fail) {
        log_warn("init.carried origin=%s failed=\"%s\"", carried.origin, err->text);
        found = 0;
    }
    if (found > 0)
        early_begin(&app->service, &carried);
    else if (found == 0)
        init_prelaunch(&app->service);
    carried_done(&carried);
    return found < 0 ? -1 : 0;
}

static int run(struct app *app, struct err *err)
{
    const struct server_route routes[] = {
        {"/run", run_on_request, &app->service, app->config.run_max_bytes, "run-max-bytes", NULL},
        {"/init", init_on_request, &app->service, app->config.init_max_bytes, "init-max-bytes",
         NULL},
    };
    const struct server_route knative[] = {
        {"/", knative_on_request, &app->knative, app->config.init_max_bytes, "init-max-bytes",
         app->knative.methods},
    };
    bool is_knative = knative_read(&app->knative, &app->service);
    const struct config *config = &app->config;
    struct server_opts server = {.address = config->listen,
                                 .port = (uint16_t)config->port,
                                 .idle_ms = config->idle_timeout_ms};
    int result;

    /* Listen first: each connect that is refused costs the platform 50 ms or more of a cold start. */
    app->loop = loop_new(err);
    if (app->loop == NULL)
        return -1;
    app->server = is_knative ? server_new(app->loop, &server, knative, ARRAY_LEN(knative), err)
                             : server_new(app->loop, &server, routes, ARRAY_LEN(routes), err);
    if (app->server == NULL)
        return -1;
    log_info("listen address=%s port=%u", config->listen, server_port(app->server));
    set_options(app);
    if (load_runtimes(app, err) < 0 || open_store(app, err) < 0)
        return -1;
    set_build_options(app);
    sink_init(&app->out, app->loop, STDOUT_FILENO);
    sink_init(&app->err, app->loop, STDERR_FILENO);
    app->service.loop = app->loop;
    app->service.runtimes = &app->runtimes;
    app->service.store = &app->store;
    app->service.out = &app->out;
    app->service.err = &app->err;
    loop_timer_init(&app->drain, on_drain);
    loop_on_signal(app->loop, on_signal, app);
    prelaunch_init(&app->service.prelaunch, app->loop);
    result = begin_action(app, err);
    if (result == 0)
        loop_run(app->loop);
    prelaunch_done(&app->service.prelaunch);
    pool_free(&app->service.pool);
    app->all_closed = server_free(&app->server);
    sink_done(&app->out, FLUSH_MAX_MS);
    sink_done(&app->err, FLUSH_MAX_MS);
    return result;
}

/* -compile: build what stdin holds, and end. */
static int precompile(struct app *app, struct err *err)
{
    struct precompile_opts opts = {.main = app->config.compile_main,
                                   .env = app->config.compile_env,
                                   .bytes_max = app->config.init_max_bytes,
                                   .deadline_ms = app->config.init_timeout_ms};

    app->loop = loop_new(err);
    if (app->loop == NULL)
        return -1;
    set_options(app);
    /* Nothing of it is to stay, so never in ./action. */
    if (load_runtimes(app, err) < 0 || store_open(&app->store, NULL, err) < 0)
        return -1;
    set_build_options(app);
    app->all_closed = true;
    return precompile_run(app->loop, &app->service.opts.build, &opts, err);
}

int main(int argc, char **argv)
{
    struct app app;
    struct err err;
    int result;

    memset(&app, 0, sizeof(app));
    switch (config_read(&app.config, argc, argv, &err)) {
    case CONFIG_RUN:
        break;
    case CONFIG_HELP:
        config_help(stdout);
        return 0;
    case CONFIG_HELP_MD:
        config_help_markdown(stdout);
        return 0;
    case CONFIG_VERSION:
        (void)puts("whiskloop " WHISKLOOP_VERSION);
        return 0;
    case CONFIG_WRONG:
        (void)fail(&err);
        return 2;
    }
    if (app.config.debug)
        app.config.log_level = "debug";
    if (log_level_from_name(app.config.log_level) < 0) {
        (void)err_set(&err, ERR_REQUEST, 0, "--log-level=%s: want off, error, warn, info or debug",
                      app.config.log_level);
        (void)fail(&err);
        return 2;
    }
    log_set_level((enum log_level)log_level_from_name(app.config.log_level));
    (void)umask(022); /* what actions are unpacked to is for them to read, whoever they run as */
    occupy_low_descriptors();
    (void)mallopt(M_MMAP_THRESHOLD, (int)KEEP_MALLOC_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, (int)KEEP_MALLOC_BYTES);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* what an action leaves behind is reaped here */
    if (actionloop_read(&app.actionloop, argv[0], app.config.debug, &err) < 0) {
        (void)fail(&err);
        return 2;
    }
    result = (app.config.compile_main != NULL ? precompile(&app, &err) : run(&app, &err)) < 0
                 ? (err.kind == ERR_REQUEST ? 2 : 1)
                 : 0;
    if (result != 0)
        (void)fail(&err);
    else
        result = app.status;
    store_close(&app.store);
    runtimes_done(&app.runtimes);
    if (app.all_closed)
        loop_free(&app.loop);
    return result;
}

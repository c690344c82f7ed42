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
#include "base/cpus.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/privileges.h"
#include "build-paths.h"
#include "config.h"
#include "http/admin.h"
#include "http/health.h"
#include "http/init.h"
#include "http/run.h"
#include "http/server.h"
#include "http/service.h"
#include "http/stub.h"
#include "http/versions.h"
#include "worker/oom.h"

#define DRAIN_LOOK_MS 20 /* between two looks whether all is finished */
#define ADMIN_BODY_MAX_BYTES                                                                       \
    65536 /* nobody sends one; what comes is dropped, so that 404 and 405 can be told */
#define FLUSH_MAX_MS      1000        /* at the very end, for a log collector that is slow */
#define KEEP_MALLOC_BYTES (64u << 20) /* blocks up to this stay ours: library-facts A3 */

/* All that the program holds; lives on main's stack. */
struct app {
    struct config config;
    struct loop *loop;
    struct server *server;
    struct server *admin_server; /* NULL: none is wanted */
    struct admin admin;
    struct actionloop actionloop;
    struct runtimes runtimes;
    struct store store;
    struct sink out;
    struct sink err;
    struct service service;
    struct privileges privileges;
    struct oom oom;
    struct loop_timer drain; /* while draining: looks whether all is finished */
    uint64_t drain_until_ms; /* then running activations are given up */
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
    if (service->init == NULL && (late || versions_n_jobs(service) == 0))
        versions_stop(service);
    if (service->init == NULL && stub_drain(service, late) && versions_are_gone(service) &&
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

static void reopen_log(void)
{
    struct err err;

    if (log_reopen(&err) < 0)
        log_warn("main.log", log_text("failed", err.text));
}

/* The first signal drains, a second one hurries. SIGHUP does, too, where there is no log file. */
static void on_signal(void *owner, int signo)
{
    struct app *app = owner;

    if (signo == SIGHUP && app->config.log_file[0] != '\0') {
        reopen_log();
        return;
    }
    log_info("main.signal", log_int("signo", signo));
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

/* A folder of ours: in a build folder, beside the installed program, or where that should be.
 * Caller frees. */
static char *own_dir(const char *in_build, const char *installed, const char *in_prefix)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    struct stat info;
    char *dir;

    if (n > 0) {
        path[n] = '\0';
        if (strcmp(path, BUILD_PROGRAM) == 0)
            return xstrdup(in_build);
        dir = xasprintf("%s/%s", dirname(path), installed);
        if (stat(dir, &info) == 0)
            return dir;
        free(dir);
    }
    return xstrdup(in_prefix);
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
    auto_free char *dir =
        is_given ? xstrdup(app->config.runtime_dir)
                 : own_dir(SOURCE_RUNTIME_DIR, INSTALLED_RUNTIME_DIR, PREFIX_RUNTIME_DIR);
    auto_free char *libexec = own_dir(BUILD_LIBEXEC_DIR, INSTALLED_LIBEXEC_DIR, PREFIX_LIBEXEC_DIR);

    /* In the images of others there is this program and nothing else of ours. */
    if ((is_given || !app->actionloop.on || access(dir, F_OK) == 0) &&
        runtimes_load(&app->runtimes, dir, err) < 0)
        return -1;
    actionloop_add_native(&app->runtimes);
    if (app->actionloop.compiler != NULL)
        actionloop_add_compiler(&app->runtimes, app->actionloop.compiler);
    runtimes_set_libexec(&app->runtimes, libexec);
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

/* A home that is root's is none for the action's user. */
static bool is_home_of_root(const char *home)
{
    return home == NULL || strcmp(home, "/root") == 0 || strcmp(home, "/") == 0;
}

/* A list of users may name a folder that is not there, as for "nobody". */
static const char *home_of(const struct privileges *privileges)
{
    struct stat info;

    if (privileges->home != NULL && stat(privileges->home, &info) == 0 && S_ISDIR(info.st_mode))
        return privileges->home;
    return "/tmp";
}

static int set_privileges(struct app *app, struct err *err)
{
    const struct config *config = &app->config;
    struct privileges *privileges = &app->privileges;

    privileges->no_new_privs = config->no_new_privs != 0;
    memcpy(privileges->limits, config->rlimits, sizeof(privileges->limits));
    if (config->user[0] == '\0')
        return 0;
    if (privileges_set_user(privileges, config->user, "/etc", err) < 0)
        return -1;
    if (privileges->as_user && is_home_of_root(getenv("HOME")))
        (void)setenv("HOME", home_of(privileges), 1);
    return 0;
}

static void set_options(struct app *app)
{
    const struct config *config = &app->config;

    app->service.opts = (struct service_opts){
        .pool = {.n_workers = config->workers > 0 ? (unsigned)config->workers : cpus_usable(""),
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
                            .pipe_bytes = 1 << 20,
                            .tally = &app->service.workers,
                            .oom = &app->oom}},
        .actionloop = app->actionloop,
        .environ = environ,
        .privileges = &app->privileges,
        .run_ms = config->timeout_ms,
        .margin_ms = config->deadline_margin_ms,
        .init_ms = config->init_timeout_ms,
        .answers = answers_mode(app),
        .keeps_failed = config->debug,
        .prelaunches = config->prelaunch != 0,
        .allow_reinit = config->allow_reinit != 0,
        .forks = config->fork_workers != 0,
        .one_at_a_time = config->one_at_a_time != 0 && !allows_concurrency(),
        .logs_init_error = config->log_init_error != 0,
    };
}

static int begin_log(const struct config *config, struct err *err)
{
    bool to_file = config->log_file[0] != '\0';
    int level = log_level_from_name(config->log_level);

    log_set_format(strcmp(config->log_format, "json") == 0 ? LOG_AS_JSON : LOG_AS_TEXT);
    if (level >= 0)
        log_set_level((enum log_level)level);
    else /* auto */
        log_set_level(to_file ? LOG_INFO : LOG_WARN);
    return to_file ? log_open(config->log_file, err) : 0;
}

/* The contract's listener. routes: borrowed for the server's life. */
static int listen_for_platform(struct app *app, const struct server_route *routes, size_t n_routes,
                               struct err *err)
{
    const struct config *config = &app->config;
    struct place place;
    struct server_opts opts = {.place = &place,
                               .options = "--listen, --port",
                               .lost = "No such path: this is an action, use POST /init and POST "
                                       "/run.",
                               .idle_ms = config->idle_timeout_ms};

    if (place_tcp(&place, config->listen, (uint16_t)config->port, err) < 0)
        return -1;
    app->server = server_new(app->loop, &opts, routes, n_routes, err);
    if (app->server == NULL)
        return -1;
    log_info("main.listen", log_text("address", config->listen),
             log_int("port", server_port(app->server)), log_text("version", WHISKLOOP_VERSION),
             log_int("pid", getpid()));
    return 0;
}

/* The operator's, if one is wanted. */
static int listen_for_operator(struct app *app, const struct server_route *routes, size_t n_routes,
                               struct err *err)
{
    const struct config *config = &app->config;
    struct place place;
    struct server_opts opts = {.place = &place,
                               .options = "--admin",
                               .lost = "No such path: use GET /healthz, /readyz or /metrics.",
                               .idle_ms = config->idle_timeout_ms};

    if (config->admin[0] == '\0')
        return 0;
    if (place_parse(&place, "--admin", config->admin, err) < 0)
        return -1;
    app->admin_server = server_new(app->loop, &opts, routes, n_routes, err);
    if (app->admin_server == NULL)
        return -1;
    log_info("admin.listen", log_text("at", config->admin),
             log_int("port", server_port(app->admin_server)));
    return 0;
}

/* --health: one line and an exit status, for a container's health check. */
static int say_health(const struct config *config)
{
    struct place place;
    struct err err;

    if (config->admin[0] == '\0') {
        (void)err_set(&err, ERR_REQUEST, 0,
                      "--health: no admin listener to ask; set --admin or WHISKLOOP_ADMIN as for "
                      "the proxy that runs");
        return fail(&err);
    }
    if (place_parse(&place, "--admin", config->admin, &err) < 0 || health_ask(&place, &err) < 0)
        return fail(&err);
    (void)puts("ok");
    return 0;
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
        .privileges = opts->privileges,
    };
}

static int run(struct app *app, struct err *err)
{
    const struct server_route routes[] = {
        {"/run", run_on_request, &app->service, app->config.run_max_bytes, "run-max-bytes", false,
         &app->service.runs.n_ends[RUN_BODY_TOO_LARGE]},
        {"/init", init_on_request, &app->service, app->config.init_max_bytes, "init-max-bytes",
         false, NULL},
    };
    const struct server_route admin_routes[] = {
        {"/healthz", admin_on_health, &app->admin, ADMIN_BODY_MAX_BYTES, NULL, true, NULL},
        {"/readyz", admin_on_ready, &app->admin, ADMIN_BODY_MAX_BYTES, NULL, true, NULL},
        {"/metrics", admin_on_metrics, &app->admin, ADMIN_BODY_MAX_BYTES, NULL, true, NULL},
    };

    if (set_privileges(app, err) < 0)
        return -1;
    /* Listen first: each connect that is refused costs the platform 50 ms or more of a cold start. */
    app->loop = loop_new(err);
    if (app->loop == NULL)
        return -1;
    if (listen_for_platform(app, routes, ARRAY_LEN(routes), err) < 0 ||
        listen_for_operator(app, admin_routes, ARRAY_LEN(admin_routes), err) < 0)
        return -1;
    oom_open(&app->oom, "");
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
    admin_init(&app->admin, &app->service, WHISKLOOP_VERSION);
    loop_timer_init(&app->drain, on_drain);
    loop_on_signal(app->loop, on_signal, app);
    versions_init(&app->service);
    prelaunch_init(&app->service.prelaunch, app->loop);
    init_prelaunch(&app->service);
    loop_run(app->loop);
    prelaunch_done(&app->service.prelaunch);
    versions_done(&app->service);
    pool_free(&app->service.stub);
    app->all_closed = server_free(&app->admin_server);
    app->all_closed = server_free(&app->server) && app->all_closed;
    sink_done(&app->out, FLUSH_MAX_MS);
    sink_done(&app->err, FLUSH_MAX_MS);
    return 0;
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
    case CONFIG_HEALTH:
        return say_health(&app.config);
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
    (void)umask(022); /* what actions are unpacked to is for them to read, whoever they run as */
    occupy_low_descriptors();
    if (begin_log(&app.config, &err) < 0)
        return fail(&err);
    (void)mallopt(M_MMAP_THRESHOLD, (int)KEEP_MALLOC_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, (int)KEEP_MALLOC_BYTES);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* what an action leaves behind is reaped here */
    /* Nobody looks into us, nor at our descriptors, but who may look into any process: an action of
     * our own user does neither. */
    (void)prctl(PR_SET_DUMPABLE, (unsigned long)app.config.dumpable);
    if (actionloop_read(&app.actionloop, argv[0], app.config.debug, &err) < 0) {
        (void)fail(&err);
        return 2;
    }
    result = run(&app, &err) < 0 ? (err.kind == ERR_REQUEST ? 2 : 1) : 0;
    if (result != 0)
        (void)fail(&err);
    log_info("main.end", log_int("status", result));
    (void)server_free(&app.admin_server); /* there is one still when something failed after it */
    store_close(&app.store);
    runtimes_done(&app.runtimes);
    privileges_done(&app.privileges);
    if (app.all_closed)
        loop_free(&app.loop);
    log_close();
    return result;
}

/*
 * main - read the settings, choose to serve or to run a command, build the modules bottom up, run
 * the loop, tear down in reverse.
 */

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "action/preloaded.h"
#include "arguments.h"
#include "base/err.h"
#include "base/kin.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "build-paths.h"
#include "command.h"
#include "config.h"
#include "dev/dev.h"
#include "develop.h"
#include "greeting.h"
#include "help.h"
#include "http/admin.h"
#include "http/default_action.h"
#include "http/health.h"
#include "http/init.h"
#include "http/knative.h"
#include "http/libraries.h"
#include "http/preload.h"
#include "http/prewarm.h"
#include "http/run.h"
#include "http/server.h"
#include "http/service.h"
#include "http/versions.h"
#include "precompile.h"
#include "setup.h"

#define DRAIN_LOOK_MS 20 /* interval of checks during a drain */
#define ADMIN_BODY_MAX_BYTES                                                                       \
    65536 /* requests there have no body; one that has is read and ignored */
#define ADMIN_HELD_MAX_BYTES (4u << 20)
#define FLUSH_MAX_MS         1000        /* at exit, for a slow log reader */
#define KEEP_MALLOC_BYTES    (64u << 20) /* malloc keeps blocks up to this size: library-facts A3 */

/* The whole program's state; lives on main's stack. */
struct app {
    struct config config;
    struct loop *loop;
    struct server_route routes[2]; /* of the contract */
    struct server_route entry;     /* ... of Knative's */
    struct server_route admin_routes[3];
    struct server *server;       /* NULL: a command is done */
    struct command *command;     /* NULL: it serves */
    struct dev *dev;             /* NULL: it serves as in production */
    struct server *admin_server; /* NULL: none is wanted */
    struct admin admin;
    struct held
        admin_held; /* separate from the clients' connections, so that they cannot starve it */
    struct knative knative;
    struct setup setup;
    struct output out;
    struct output err;
    struct service service;
    struct preload preload;
    struct loop_timer drain; /* during a drain: checks whether it is complete */
    uint64_t drain_until_ms; /* then running activations are given up */
    uint64_t leave_at_ms; /* deadline for clients that do not read their replies; 0: not set yet */
    char instance[48];    /* unique per run; bin/init.sh --watch compares it */
    int status;           /* exit status unless something else failed */
    bool all_closed;      /* no connection uses the loop any more */
};

static int fail(const struct err *err)
{
    (void)fprintf(stderr, "whiskloop: %s\n", err->text);
    return 1;
}

/* ---- the end: drain, stop the action, leave ---- */

/* Whether the action has no work left. */
static bool has_worked_off(const struct app *app)
{
    return versions_n_jobs(&app->service) == 0 &&
           (app->command == NULL || command_is_done(app->command));
}

static bool serves(const struct app *app)
{
    return app->config.command == COMMAND_SERVE || app->config.command == COMMAND_DEV;
}

/* Whether a client is still owed a reply. */
static bool is_asked(const struct app *app)
{
    return app->command != NULL ? command_is_running(app->command) : server_n_open(app->server) > 0;
}

/* All work is done. Whether clients have had enough time to read their replies: a stalled one must
 * not delay the exit. */
static bool has_waited(struct app *app, bool late)
{
    uint64_t now_ms = loop_now_ms(app->loop);

    if (!late)
        return false;
    if (app->leave_at_ms == 0)
        app->leave_at_ms = now_ms + FLUSH_MAX_MS;
    return now_ms >= app->leave_at_ms;
}

/* The shutdown's steps, in order; called again until the last one is done. */
static void drain_step(struct app *app)
{
    struct service *service = &app->service;
    bool late = loop_now_ms(app->loop) >= app->drain_until_ms;

    if (app->command != NULL && late)
        command_stop(app->command);
    if (service->init != NULL && late)
        init_cancel(service);
    if (service->init == NULL && (late || has_worked_off(app)))
        versions_stop(service);
    if (service->init == NULL && app->server != NULL && has_worked_off(app))
        server_drop_slow(app->server, FLUSH_MAX_MS);
    if (service->init == NULL && versions_are_gone(service) &&
        default_action_drain(service, late) && (!is_asked(app) || has_waited(app, late))) {
        if (app->server != NULL)
            server_drain(app->server);
        loop_stop(app->loop);
        return;
    }
    loop_timer_set(app->loop, &app->drain, loop_now_ms(app->loop) + DRAIN_LOOK_MS);
}

static void reopen_log(void)
{
    struct err err;

    if (log_reopen(&err) < 0)
        log_warn("main.log", log_text("failed", err.text));
}

static void begin_draining(struct app *app)
{
    app->service.draining = true;
    if (app->dev != NULL)
        dev_stop(app->dev);
    if (app->server != NULL)
        server_wind_down(app->server);
}

/* The end of --drain-delay, or the next look at a drain. */
static void on_drain(struct loop_timer *timer)
{
    struct app *app = container_of(timer, struct app, drain);

    if (!app->service.draining) {
        app->drain_until_ms = loop_now_ms(app->loop) + app->config.drain_timeout_ms;
        begin_draining(app);
    }
    drain_step(app);
}

/* Serve on for --drain-delay while load balancers learn of the end by /readyz. Each reply ends its
 * connection, so that the client's next one goes elsewhere. */
static void begin_leaving(struct app *app)
{
    app->service.leaving = true;
    server_wind_down(app->server);
    loop_timer_set(app->loop, &app->drain, loop_now_ms(app->loop) + app->config.drain_delay_ms);
}

/* The first signal drains, after --drain-delay; a second one hurries. SIGHUP does, too, where there
 * is no log file. */
static void on_signal(void *owner, int signo)
{
    struct app *app = owner;

    if (signo == SIGHUP && app->config.log_file[0] != '\0') {
        reopen_log();
        return;
    }
    log_info("main.signal", log_int("signo", signo));
    if (app->config.command == COMMAND_SERVE && app->config.drain_delay_ms > 0 &&
        !app->service.leaving && !app->service.draining) {
        begin_leaving(app);
        return;
    }
    app->drain_until_ms = loop_now_ms(app->loop);
    if (!app->service.draining)
        app->drain_until_ms += app->config.drain_timeout_ms;
    begin_draining(app);
    if (app->command != NULL)
        command_close(app->command);
    drain_step(app);
}

/* Shut down without a signal. wait_ms: limit for running activations. */
static void end(struct app *app, uint64_t wait_ms)
{
    if (!app->service.draining)
        app->drain_until_ms = loop_now_ms(app->loop) + wait_ms;
    begin_draining(app);
    drain_step(app);
}

/* ---- the beginning ---- */

/* Actions use descriptors 0 to 3 by number, so none of ours may land there. A closed one is
 * replaced by a descriptor that cannot be used, so that /dev/null is never mistaken for the reader
 * of an answer. */
static void occupy_low_descriptors(void)
{
    for (int fd = 0; fd <= 3; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
}

/* The contract's listener. routes: borrowed for the server's life. not_found_text: see
 * server_opts. */
static int listen_for_platform(struct app *app, const struct server_route *routes, size_t n_routes,
                               const char *not_found_text, struct err *err)
{
    const struct config *config = &app->config;
    struct endpoint endpoint;
    struct server_opts opts = {.endpoint = &endpoint,
                               .options = "--listen, --port",
                               .not_found_text = not_found_text,
                               .instance = app->instance,
                               .idle_ms = config->idle_timeout_ms,
                               .transfer_ms = config->transfer_ms,
                               .connections_max = app->setup.connections_max,
                               .held = &app->service.held};

    if (endpoint_is_unix(config->listen)
            ? endpoint_parse(&endpoint, "--listen", config->listen, err) < 0
            : endpoint_tcp(&endpoint, "--listen", config->listen, (uint16_t)config->port, err) < 0)
        return -1;
    (void)snprintf(app->instance, sizeof(app->instance), "%d-%llx", (int)getpid(),
                   (unsigned long long)loop_clock_ns());
    app->server = server_new(app->loop, &opts, routes, n_routes, err);
    if (app->server == NULL)
        return -1;
    log_info("main.listen", log_text("address", config->listen),
             log_int("port", server_port(app->server)), log_text("version", WHISKLOOP_VERSION),
             log_int("pid", getpid()));
    return 0;
}

/* The operator's, if one is wanted. */
static int listen_for_operator(struct app *app, struct err *err)
{
    static const struct {
        const char *path;
        server_handler_fn *handler;
    } paths[] = {
        {"/healthz", admin_on_health},
        {"/readyz", admin_on_ready},
        {"/metrics", admin_on_metrics},
    };
    const struct config *config = &app->config;
    struct endpoint endpoint;
    struct server_opts opts = {.endpoint = &endpoint,
                               .options = "--admin",
                               .not_found_text =
                                   "No such path: use GET /healthz, /readyz or /metrics.",
                               .idle_ms = config->idle_timeout_ms,
                               .transfer_ms = config->transfer_ms,
                               .connections_max = SETUP_ADMIN_CONNECTIONS,
                               .held = &app->admin_held};

    if (config->admin[0] == '\0')
        return 0;
    if (endpoint_parse(&endpoint, "--admin", config->admin, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        app->admin_routes[i] = (struct server_route){.path = paths[i].path,
                                                     .handler = paths[i].handler,
                                                     .owner = &app->admin,
                                                     .body_max_bytes = ADMIN_BODY_MAX_BYTES,
                                                     .methods = "GET, HEAD"};
    app->admin_server = server_new(app->loop, &opts, app->admin_routes, ARRAY_LEN(paths), err);
    if (app->admin_server == NULL)
        return -1;
    log_info("admin.listen", log_text("at", config->admin),
             log_int("port", server_port(app->admin_server)));
    return 0;
}

/* --health: print one line and exit with a status, for a container's health check. */
static int say_health(const struct config *config)
{
    struct endpoint endpoint;
    struct err err;

    if (config->admin[0] == '\0') {
        (void)err_set(&err, ERR_REQUEST, 0,
                      "--health: no admin listener to ask; set --admin or WHISKLOOP_ADMIN as for "
                      "the proxy that runs");
        return fail(&err);
    }
    if (endpoint_parse(&endpoint, "--admin", config->admin, &err) < 0 ||
        health_ask(&endpoint, &err) < 0)
        return fail(&err);
    (void)puts("ok");
    return 0;
}

/* The image's own action failed to start: exit. */
static void on_preloaded_failed(void *owner, const char *why)
{
    struct app *app = owner;

    (void)fprintf(stderr, "whiskloop: cannot serve the action of %s: %s\n", app->preload.origin,
                  why);
    app->status = 1;
    if (app->command != NULL)
        command_fail(app->command, why);
    end(app, app->config.drain_timeout_ms);
}

static void on_preloaded_ready(void *owner)
{
    struct app *app = owner;

    if (app->command != NULL)
        command_serve(app->command);
}

/* Its pending work is of no use after a failure. */
static void on_command_ended(void *owner, const struct err *err)
{
    struct app *app = owner;
    bool failed = err->kind != ERR_NONE;

    if (failed)
        app->status = fail(err);
    end(app, failed ? 0 : app->config.drain_timeout_ms);
}

/* Start the preloaded action, or get ready for an /init. */
static int begin_action(struct app *app, struct err *err)
{
    const struct runtime *fallback = app->service.opts.fallback;
    /* The folder holds versions of actions in an ActionLoop image, and in one for Apache's skeleton
     * the program that serves until an /init. */
    bool is_theirs = app->setup.actionloop.on || default_action_is_own(&app->service);
    const struct config *config = &app->config;
    struct preloaded_opts opts = {.command = config->file != NULL ? config->command_name : NULL,
                                  .path = config->file != NULL ? config->file : config->action,
                                  .main = config->functions[0] != '\0' ? config->functions
                                                                       : config->main,
                                  .env = config->env,
                                  .bytes_max = config->init_max_bytes,
                                  .folder_is_theirs = is_theirs,
                                  .runtime_is_named = strcmp(config->runtime, "auto") != 0,
                                  .runtimes = &app->setup.runtimes,
                                  .fallback = fallback};
    struct preloaded preloaded = {.dir = NULL};
    int found = preloaded_find(&preloaded, &opts, err);

    if (app->command != NULL)
        preloaded.may_fail = false; /* there is no /init to wait for */
    if (found < 0 && preloaded.may_fail) {
        log_warn("init.carried", log_text("origin", preloaded.origin),
                 log_text("failed", err->text));
        found = 0;
    }
    if (found > 0)
        preload_begin(&app->preload, &preloaded);
    else if (found == 0 && app->command == NULL)
        prewarm_begin(&app->service);
    else if (found == 0)
        found = err_set(err, ERR_REQUEST, 0,
                        "%s: no FILE is named, and this image carries no action (--action)",
                        config->command_name);
    preloaded_done(&preloaded);
    return found < 0 ? -1 : 0;
}

/* The command dev: its own paths, and the next port where one is in use. 0, or -1. */
static int listen_for_dev(struct app *app, struct err *err)
{
    struct config *config = &app->config;
    const struct server_route *routes;
    struct dev_opts opts;
    size_t n_routes;

    develop_options(config, &opts);
    opts.instance = app->instance;
    opts.health = admin_on_health;
    opts.health_owner = &app->admin;
    app->dev = dev_new(&app->service, &opts);
    routes = dev_routes(app->dev, &n_routes);
    for (unsigned n = 0; n < DEV_PORTS_TRIED; n++) {
        if (listen_for_platform(app, routes, n_routes, DEV_LOST, err) == 0)
            return 0;
        if (err->os != EADDRINUSE || config->port == 0 || config->port == 65535)
            return -1;
        config->port++;
    }
    return -1;
}

/* The listener for the contract or for Knative, and the operator's. 0, or -1. */
static int listen_for_all(struct app *app, struct err *err)
{
    struct service *service = &app->service;
    const struct config *config = &app->config;
    bool is_knative = knative_read(&app->knative, service);
    int result;

    app->routes[0] = (struct server_route){.path = "/run",
                                           .handler = run_on_request,
                                           .owner = service,
                                           .body_max_bytes = config->run_max_bytes,
                                           .bound = "run-max-bytes",
                                           .n_too_large = &service->runs.n_ends[RUN_BODY_TOO_LARGE],
                                           .n_no_room = &service->runs.n_ends[RUN_NO_ROOM]};
    app->routes[1] = (struct server_route){.path = "/init",
                                           .handler = init_on_request,
                                           .owner = service,
                                           .body_max_bytes = config->init_max_bytes,
                                           .bound = "init-max-bytes",
                                           .tells_instance = true};
    app->entry = (struct server_route){.path = "/",
                                       .handler = knative_on_request,
                                       .owner = &app->knative,
                                       .body_max_bytes = config->init_max_bytes,
                                       .bound = "init-max-bytes",
                                       .methods = app->knative.methods};
    app->admin_held.max_bytes = ADMIN_HELD_MAX_BYTES;
    service->held.max_bytes =
        config->held_max_bytes > 0 ? config->held_max_bytes : held_default_max("");
    if (config->command == COMMAND_DEV)
        result = listen_for_dev(app, err);
    else
        result = is_knative
                     ? listen_for_platform(app, &app->entry, 1,
                                           "No such path: this is an action, use POST /.", err)
                     : listen_for_platform(app, app->routes, ARRAY_LEN(app->routes),
                                           "No such path: this is an action, use POST /init and "
                                           "POST /run.",
                                           err);
    if (result < 0)
        return -1;
    admin_init(&app->admin, service, app->server, WHISKLOOP_VERSION);
    return listen_for_operator(app, err);
}

/* Whether to omit end marks on this stream: on a terminal they are noise. */
static bool is_unmarked(const struct app *app, int fd)
{
    const char *end_marks = app->config.end_marks;

    if (strcmp(end_marks, "auto") != 0)
        return strcmp(end_marks, "off") == 0;
    return !serves(app) || isatty(fd) == 1;
}

/* Choose the action's log streams. A command's answers have stdout to themselves. */
static void open_log_streams(struct app *app)
{
    struct service *service = &app->service;

    output_init(&app->err, app->loop, STDERR_FILENO);
    app->err.unmarked = is_unmarked(app, STDERR_FILENO);
    service->err = service->out = &app->err;
    if (!serves(app))
        return;
    output_init(&app->out, app->loop, STDOUT_FILENO);
    app->out.unmarked = is_unmarked(app, STDOUT_FILENO);
    service->out = &app->out;
}

static void close_log_streams(struct app *app)
{
    if (serves(app))
        output_done(&app->out, FLUSH_MAX_MS);
    output_done(&app->err, FLUSH_MAX_MS);
}

static void close_servers(struct app *app)
{
    app->all_closed = server_free(&app->admin_server);
    app->all_closed = server_free(&app->server) && app->all_closed;
}

/* Serve, or run a command, until it ends. */
static int run(struct app *app, struct err *err)
{
    struct service *service = &app->service;
    bool is_command = !serves(app);
    /* A command leaves nothing behind, so it does not use ./action. */
    bool is_temporary = app->config.command != COMMAND_SERVE && app->config.action_dir[0] == '\0';
    int result;

    app->loop = loop_new(err);
    if (app->loop == NULL)
        return -1;
    /* Listen first: each refused connect delays a cold start by 50 ms or more. */
    if ((!is_command && listen_for_all(app, err) < 0) ||
        setup_service(&app->setup, service, is_temporary, err) < 0) {
        close_servers(app);
        dev_free(&app->dev, 0);
        return -1;
    }
    open_log_streams(app);
    service->loop = app->loop;
    loop_timer_init(&app->drain, on_drain);
    loop_on_signal(app->loop, on_signal, app);
    versions_init(service);
    gate_init(&service->gate, service->opts.pool.queue_max);
    preload_init(&app->preload, service, on_preloaded_ready, on_preloaded_failed, app);
    prewarmed_init(&service->prewarmed, app->loop);
    service->opts.renames_log = is_command;
    if (is_command &&
        (app->config.command != COMMAND_TEST ||
         develop_test(&app->config, &app->setup.runtimes, service->opts.fallback, err) == 0))
        app->command = command_new(&app->config, service, on_command_ended, app, err);
    if (is_command && app->command == NULL)
        result = -1;
    else if (app->dev != NULL)
        result = dev_begin(app->dev, server_port(app->server), err);
    else
        result = begin_action(app, err);
    if (result == 0 && app->config.command == COMMAND_SERVE)
        greeting_say(&app->config, service, server_port(app->server), app->preload.origin);
    if (result == 0)
        loop_run(app->loop);
    if (result == 0 && is_command && app->status == 0)
        result = command_finish(app->command, FLUSH_MAX_MS, err);
    preload_done(&app->preload);
    prewarmed_done(&service->prewarmed);
    versions_done(service);
    pool_free(&service->default_pool);
    command_free(&app->command);
    close_servers(app);
    dev_free(&app->dev, FLUSH_MAX_MS);
    close_log_streams(app);
    user_names_done(&service->names);
    return result;
}

/* -compile: build the code on stdin and exit. */
static int precompile(struct app *app, struct err *err)
{
    struct precompile_opts opts = {.main = app->config.compile_main,
                                   .env = app->config.compile_env,
                                   .bytes_max = app->config.init_max_bytes,
                                   .deadline_ms = app->config.init_timeout_ms};

    /* Compilers of ActionLoop images rename between ./action/N and their own folder, which must be
     * on one file system: openwhisk-contract 9. */
    bool is_temporary = !app->setup.actionloop.on;

    app->loop = loop_new(err);
    if (app->loop == NULL || setup_service(&app->setup, &app->service, is_temporary, err) < 0)
        return -1;
    app->all_closed = true;
    return precompile_run(app->loop, &app->service.opts.build, &opts, err);
}

/* Dispatch by purpose. Returns the exit status. */
static int do_work(struct app *app, const char *program, struct err *err)
{
    const struct config *config = &app->config;
    int result = setup_children(&app->setup, program, err);

    if (result == 0 && config->command == COMMAND_NEW)
        result = setup_runtimes(&app->setup, err) < 0
                     ? -1
                     : develop_new(config, &app->setup.runtimes, err);
    else if (result == 0)
        result = config->compile_main != NULL ? precompile(app, err) : run(app, err);
    if (result == 0)
        return app->status;
    (void)fail(err);
    return err->kind == ERR_REQUEST ? 2 : 1;
}

int main(int argc, char **argv)
{
    struct app app;
    struct err err;
    int result;

    memset(&app, 0, sizeof(app));
    app.setup.config = &app.config;
    switch (config_read(&app.config, argc, argv, &err)) {
    case CONFIG_RUN:
        break;
    case CONFIG_HEALTH:
        return say_health(&app.config);
    case CONFIG_HELP:
        help_write(stdout);
        return 0;
    case CONFIG_HELP_ALL:
        help_write_all(stdout);
        return 0;
    case CONFIG_HELP_MD:
        help_write_markdown(stdout);
        return 0;
    case CONFIG_VERSION:
        libraries_print(stdout, WHISKLOOP_VERSION);
        return 0;
    case CONFIG_WRONG:
        (void)fail(&err);
        config_done(&app.config);
        return 2;
    }
    setup_descriptors(&app.setup);
    (void)umask(022); /* unpacked actions must be readable by the user they run as */
    occupy_low_descriptors();
    if (setup_log(&app.config, &err) < 0) {
        config_done(&app.config);
        return fail(&err);
    }
    config_warn_of_variables(environ);
    (void)mallopt(M_MMAP_THRESHOLD, (int)KEEP_MALLOC_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, (int)KEEP_MALLOC_BYTES);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* as subreaper we reap orphans of an action */
    kin_open();
    /* Only processes that may inspect all others may inspect us: an action of our own user may
     * not. */
    (void)prctl(PR_SET_DUMPABLE, (unsigned long)app.config.dumpable);
    result = do_work(&app, argv[0], &err);
    kin_end_all(); /* first: running processes could refill the folders removed next */
    kin_close();
    log_info("main.end", log_int("status", result));
    setup_done(&app.setup);
    config_done(&app.config);
    if (app.all_closed)
        loop_free(&app.loop);
    log_close();
    return result;
}

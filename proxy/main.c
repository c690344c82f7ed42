/*
 * main - read the settings, choose to serve or to run a command, build the modules bottom up, run
 * the loop, tear down in reverse.
 */

#include <assert.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "action/preloaded.h"
#include "app.h"
#include "arguments.h"
#include "base/cgroup.h"
#include "base/err.h"
#include "base/kin.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "build-paths.h"
#include "command.h"
#include "config.h"
#include "dev/advice.h"
#include "dev/dev.h"
#include "dev/starter.h"
#include "greeting.h"
#include "help.h"
#include "http/default_action.h"
#include "http/health.h"
#include "http/libraries.h"
#include "http/preload.h"
#include "http/server.h"
#include "http/service.h"
#include "http/versions.h"
#include "precompile.h"
#include "setup.h"

#define FLUSH_MAX_MS 1000 /* longest wait at exit for a slow reader of log or answers */
/* We tell malloc to keep up to this much freed memory. Otherwise each large body would cost
 * thousands of page faults. Source: library-facts A3. */
#define KEEP_MALLOC_BYTES (64u << 20)

static bool serves(const struct app *app)
{
    return app->config.command == COMMAND_SERVE || app->config.command == COMMAND_DEV;
}

static int fail(const struct err *err)
{
    (void)fprintf(stderr, "whiskloop: %s\n", err->text);
    return 1;
}

/* ---- the start ---- */

/* Actions use descriptors 0 to 3 by number, so no other file of ours may get such a number. If one
 * of the four is closed, open /dev/null in its place, but for the wrong direction. Then every use
 * of the descriptor fails, and no answer gets lost in /dev/null without an error. */
static void occupy_low_descriptors(void)
{
    for (int fd = 0; fd <= 3; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
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

/* Called when the preloaded action has failed to start: end the program. */
static void on_preloaded_failed(void *owner, const char *why)
{
    struct app *app = owner;
    const struct config *config = &app->config;
    auto_free char *advice =
        advice_on_load(config->file != NULL ? config->file : config->action, app->preload.reason,
                       &app->setup.runtimes, app->service.opts.fallback);

    assert(app->preload.origin != NULL);
    (void)fprintf(stderr, "whiskloop: %s: the action does not start: %s\n", app->preload.origin,
                  why);
    if (advice != NULL)
        (void)fprintf(stderr, "whiskloop: hint: %s\n", advice);
    app->status = 1;
    if (app->command != NULL)
        command_fail(app->command, why, app->preload.reason);
    drain_begin(app, app->config.drain_timeout_ms);
}

static void on_preloaded_ready(void *owner)
{
    struct app *app = owner;

    if (app->command != NULL)
        command_serve(app->command);
}

/* Called when the command has ended. After a failure, its pending work is not waited for. */
static void on_command_ended(void *owner, const struct err *err)
{
    struct app *app = owner;
    bool failed = err->kind != ERR_NONE;

    assert(app->command != NULL);
    if (failed)
        app->status = fail(err);
    drain_begin(app, failed ? 0 : app->config.drain_timeout_ms);
}

/* Start the preloaded action, or get ready for an /init. */
static int begin_action(struct app *app, struct err *err)
{
    const struct runtime *fallback = app->service.opts.fallback;
    /* Whether the folder /action is used for other things than a preloaded action. An ActionLoop
     * image keeps versions of actions there. An image for Apache's docker skeleton keeps the
     * default action there. */
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
    auto_free char *advice = NULL;
    int found = preloaded_find(&preloaded, &opts, err);

    assert(found <= 0 || preloaded.origin != NULL);
    assert(app->command == NULL || config->command_name != NULL);
    if (app->command != NULL)
        preloaded.may_fail = false; /* do not wait for an /init: a command gets none */
    if (found < 0 && preloaded.may_fail) {
        log_warn("init.carried", log_text("origin", preloaded.origin),
                 log_text("failed", err->text));
        found = 0;
    }
    if (found > 0 && config->file != NULL && preloaded.envelope.file != NULL)
        advice = advice_on_name(config->file, preloaded.envelope.file, opts.runtimes, fallback);
    if (advice != NULL)
        (void)fprintf(stderr, "whiskloop: hint: %s\n", advice);
    if (found > 0)
        preload_begin(&app->preload, &preloaded);
    else if (found == 0 && app->command == NULL)
        versions_prewarm(&app->service);
    else if (found == 0)
        found = err_set(err, ERR_REQUEST, 0,
                        "%s: no FILE is named, and there is no action in \"%s\" (--action)",
                        config->command_name, config->action);
    preloaded_done(&preloaded);
    return found < 0 ? -1 : 0;
}

/* Whether this stream gets no sentinels. On a terminal, and for a command, nobody reads them. */
static bool is_unmarked(const struct app *app, int fd)
{
    const char *end_marks = app->config.end_marks;

    if (strcmp(end_marks, "auto") != 0)
        return strcmp(end_marks, "off") == 0;
    return !serves(app) || isatty(fd) == 1;
}

/* The action's log goes to our stdout and stderr. With the commands invoke, pipe and test, all of
 * it goes to stderr, since our stdout then carries only answers. */
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

/* The action cannot be loaded. Write a line with the reason to the program that started us with
 * --announce, since it waits for {"ready":true}. */
static void announce_failure(struct app *app, const char *why)
{
    struct err none;

    command_fail(app->command, why, NULL);
    (void)command_finish(app->command, FLUSH_MAX_MS, &none);
}

/* Serve, or run a command, until it ends. */
static int run(struct app *app, struct err *err)
{
    struct service *service = &app->service;
    bool is_command = !serves(app);
    /* A command such as dev or invoke leaves no files behind: it unpacks actions in a temporary
     * folder, not in ./action as in ActionLoop images. */
    bool is_temporary = app->config.command != COMMAND_SERVE && app->config.action_dir[0] == '\0';
    int result;

    assert(app->config.command != COMMAND_NEW);
    app->loop = loop_new(err);
    if (app->loop == NULL)
        return -1;
    loop_busy_poll(app->loop, setup_busy_poll_us(&app->setup));
    /* Listen first: each connect that is refused makes a cold start longer by 50 ms or more. */
    if ((!is_command && listen_for_all(app, err) < 0) ||
        setup_service(&app->setup, service, is_temporary, err) < 0) {
        close_servers(app);
        dev_free(&app->dev, 0);
        return -1;
    }
    open_log_streams(app);
    service->loop = app->loop;
    drain_init(app);
    versions_init(service);
    gate_init(&service->gate, service->opts.pool.queue_max);
    preload_init(&app->preload, service, on_preloaded_ready, on_preloaded_failed, app);
    prewarmed_init(&service->prewarmed, app->loop);
    service->opts.renames_log = is_command;
    if (is_command)
        app->command = command_new(&app->config, service, on_command_ended, app, err);
    if (is_command && app->command == NULL)
        result = -1;
    else if (app->dev != NULL)
        result = dev_begin(app->dev, server_port(app->server), err);
    else
        result = begin_action(app, err);
    if (result < 0 && app->command != NULL && app->config.announce != 0)
        announce_failure(app, err->text);
    if (result == 0 && app->config.command == COMMAND_SERVE)
        greeting_say(&app->config, service, server_port(app->server), app->preload.origin);
    if (result == 0)
        loop_run(app->loop);
    if (result == 0 && is_command && app->status == 0)
        result = command_finish(app->command, FLUSH_MAX_MS, err);
    preload_done(&app->preload);
    prewarmed_done(&service->prewarmed);
    versions_done(service);
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
    /* Compilers of ActionLoop images rename files between ./action/N and their own folder. That
     * works only on one file system, so use ./action. Source: openwhisk-contract, section 9. */
    bool is_temporary = !app->setup.actionloop.on;

    assert(app->config.compile_main != NULL);
    app->loop = loop_new(err);
    if (app->loop == NULL || setup_service(&app->setup, &app->service, is_temporary, err) < 0)
        return -1;
    app->all_closed = true;
    return precompile_run(app->loop, &app->service.opts.build, &app->config, err);
}

/* Do what the command line asks for. Returns the exit status. */
static int do_work(struct app *app, const char *program, struct err *err)
{
    const struct config *config = &app->config;
    int result = setup_children(&app->setup, program, err);

    if (result == 0 && config->command == COMMAND_NEW)
        result = setup_runtimes(&app->setup, err) < 0
                     ? -1
                     : starter_write(&app->setup.runtimes, config->file,
                                     config->argument != NULL ? config->argument : "hello", err);
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
    case CONFIG_HELP_COMMAND:
        help_write_command(stdout, app.config.command);
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
    app.setup.n_cpus = cgroup_usable_cpus("");
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
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* we reap processes that an action leaves behind */
    kin_open();
    /* Without --dumpable, only a process with CAP_SYS_PTRACE may inspect this one. An action that
     * runs as our own user may not. */
    (void)prctl(PR_SET_DUMPABLE, (unsigned long)app.config.dumpable);
    result = do_work(&app, argv[0], &err);
    kin_end_all(); /* first: a running process could refill a folder that setup_done() removes */
    kin_close();
    log_info("main.end", log_int("status", result));
    setup_done(&app.setup);
    config_done(&app.config);
    if (app.all_closed)
        loop_free(&app.loop);
    log_close();
    return result;
}

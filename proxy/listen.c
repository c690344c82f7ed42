/*
 * Open the listeners: which paths each one has, and which handler serves each path.
 */

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app.h"
#include "base/err.h"
#include "base/log.h"
#include "base/util.h"
#include "build-paths.h"
#include "dev/dev.h"
#include "http/endpoint.h"
#include "http/init.h"
#include "http/run.h"

#define ADMIN_BODY_MAX_BYTES 65536 /* an operator sends no body; if there is one, it is ignored */
#define ADMIN_HELD_MAX_BYTES (4u << 20)
#define DEV_PORTS_TRIED      20 /* most ports tried, from --port upwards, until one is free */

/* Open the listener for clients. routes: borrowed for the server's life. not_found_text: a string
 * constant, the text of the reply 404 for other paths. */
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

    assert(app->server == NULL);
    assert(config->port <= UINT16_MAX);
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

/* Open the operator's listener, if --admin asks for one. 0, or -1. */
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

    assert(app->admin_server == NULL);
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

/* Open the listener of the command dev, which serves paths of its own. If the port is in use, try
 * the next ones. 0, or -1. */
static int listen_for_dev(struct app *app, struct err *err)
{
    struct config *config = &app->config;
    const struct server_route *routes;
    struct dev_opts opts = {
        .path = config->file,
        .main = config->functions[0] != '\0' ? config->functions : config->main,
        .env = config->env,
        .argument = config->invoke,
        .port_wanted = config->port,
        .inspect = config->inspect,
        .runtime_is_named = strcmp(config->runtime, "auto") != 0,
        .opens = config->open != 0,
        .is_json = strcmp(config->log_format, "json") == 0,
        .pages = {.listen = config->listen,
                  .instance = app->instance,
                  .run_max_bytes = config->run_max_bytes,
                  .init_max_bytes = config->init_max_bytes,
                  .has_page = config->no_page == 0,
                  .health = admin_on_health,
                  .health_owner = &app->admin},
    };
    size_t n_routes;

    assert(app->dev == NULL);
    app->dev = dev_new(&app->service, &opts);
    routes = dev_routes(app->dev, &n_routes);
    for (unsigned n = 0; n < DEV_PORTS_TRIED; n++) {
        if (listen_for_platform(app, routes, n_routes,
                                "No such path: the page is at /, the action at POST /run.",
                                err) == 0)
            return 0;
        if (err->os != EADDRINUSE || config->port == 0 || config->port == 65535)
            return -1;
        config->port++;
    }
    return -1;
}

int listen_for_all(struct app *app, struct err *err)
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
    else if (is_knative)
        result = listen_for_platform(app, &app->entry, 1,
                                     "No such path: this is an action, use POST /.", err);
    else
        result = listen_for_platform(
            app, app->routes, ARRAY_LEN(app->routes),
            "No such path: this is an action, use POST /init and POST /run.", err);
    if (result < 0)
        return -1;
    admin_init(&app->admin, service, app->server, WHISKLOOP_VERSION);
    return listen_for_operator(app, err);
}

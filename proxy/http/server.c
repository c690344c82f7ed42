/*
 * By default, libh2o 2.2.5 matches paths by their prefix, writes large bodies to a file in /tmp,
 * and speaks HTTP/2. We prevent all three. Source: the maintainers' notes library-facts, sections
 * A3 and B.
 */

#include "http/server.h"

#include <assert.h>
#include <errno.h>
#include <h2o.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "worker/outcome.h"

#define ACCEPTS_PER_TURN 16
#define ACCEPT_PAUSE_MS  100 /* pause after accept() fails, or all connections are in use */
#define SERVER_MAGIC     0x77686b31u
#define INSTANCE_HEADER  "x-whiskloop-instance"
#define LOST_MAX_BYTES   65536 /* most bytes of a body that is read though no handler takes it */

struct server_handler {
    h2o_handler_t super;
    struct server *server;
};

struct server {
    unsigned magic;
    struct loop *loop; /* borrowed */
    const struct server_route *routes;
    size_t n_routes;
    struct endpoint endpoint;
    const char *not_found_text;
    struct connections connections;
    h2o_globalconf_t config;
    h2o_context_t ctx;
    h2o_accept_ctx_t accept_ctx;
    h2o_socket_t *listener; /* NULL once the server drains */
    struct loop_timer accept_again;
    bool out_of_fds;      /* no connection can be accepted now, which has been logged */
    const char *instance; /* borrowed */
};

/* ---- requests ---- */

static const struct server_route *find_route(const struct server *server, struct span path)
{
    for (size_t i = 0; i < server->n_routes; i++) {
        const char *taken = server->routes[i].path;
        size_t n = strlen(taken);
        bool takes_all_below = n > 1 && taken[n - 1] == '/' && path.n > n;

        if (h2o_memis(path.text, takes_all_below ? n : path.n, taken, n))
            return &server->routes[i];
    }
    return NULL;
}

/* Whether a list such as "GET, POST" contains the method. */
static bool takes_method(const char *methods, struct span method)
{
    struct span list = {methods, strlen(methods)};

    while (list.n > 0) {
        struct span one = span_trimmed(span_cut(&list, ','));

        if (h2o_memis(one.text, one.n, method.text, method.n))
            return true;
    }
    return false;
}

__attribute__((format(printf, 3, 4))) static void refuse(struct refusal *refusal, int status,
                                                         const char *fmt, ...)
{
    va_list args;

    refusal->status = status;
    va_start(args, fmt);
    (void)vsnprintf(refusal->text, sizeof(refusal->text), fmt, args);
    va_end(args);
}

/* Find the path's route; NULL: there is none. If no handler takes the request, `refusal` is set to
 * the reply, else its status stays 0. */
static const struct server_route *judge(const struct server *server, struct span path,
                                        struct span method, struct refusal *refusal)
{
    const struct server_route *route = find_route(server, path);
    const char *methods = route != NULL && route->methods != NULL ? route->methods : "POST";

    if (route == NULL) {
        refuse(refusal, 404, "%s", server->not_found_text);
    } else if (!takes_method(methods, method)) {
        refuse(refusal, 405, "This path takes %s only.", methods);
        refusal->allow = methods;
    }
    return route;
}

/* Decide on a request whose head has come. If no handler takes the request but its body is small,
 * admit it: the body is read and dropped, so that the connection can go on, and on_req() sends the
 * error. */
static void on_admit(void *owner, const struct head *head, uint64_t n_body, bool no_room,
                     struct admission *admission)
{
    const struct server *server = owner;
    struct refusal *refusal = &admission->refusal;
    struct span target = head->target;
    struct span path = span_cut(&target, '?');
    const struct server_route *route;

    if (path.n == 0) /* "http://host?query" has no path: RFC 9110 4.2.3 */
        path = (struct span)SPAN("/");
    route = judge(server, path, head->method, refusal);
    assert(route != NULL || refusal->status != 0);
    admission->body_max_bytes = refusal->status == 0 ? route->body_max_bytes : LOST_MAX_BYTES;
    if (refusal->status != 0 && n_body <= LOST_MAX_BYTES) {
        refusal->status = 0;
    } else if (refusal->status == 0 && n_body > admission->body_max_bytes) {
        refuse(refusal, 413, "The request body is larger than %llu bytes%s%s%s.",
               (unsigned long long)route->body_max_bytes, route->bound != NULL ? " (--" : "",
               route->bound != NULL ? route->bound : "", route->bound != NULL ? ")" : "");
        if (route->n_too_large != NULL)
            ++*route->n_too_large;
    }
    if (refusal->status == 0 && no_room) {
        /* 429, not 503: a 503 would tell the platform to destroy this container. */
        refuse(refusal, 429, "%s", NO_ROOM_TEXT);
        refusal->retry = true;
        if (route != NULL && route->n_no_room != NULL)
            ++*route->n_no_room;
    }
}

static void send_refusal(const struct server *server, struct request *request,
                         const struct refusal *refusal)
{
    assert(refusal->status >= 400);
    if (refusal->allow != NULL)
        request_add_header(request, "allow", refusal->allow);
    if (refusal->allow != NULL && server->instance != NULL)
        request_add_header(request, INSTANCE_HEADER, server->instance);
    if (refusal->retry)
        request_add_header(request, "retry-after", "1");
    request_add_header(request, ERROR_KIND_HEADER,
                       error_kind_name(refusal->retry ? ERROR_KIND_OVERLOAD : ERROR_KIND_REQUEST));
    request_reply_error(request, refusal->status, refusal->text);
}

static int on_req(h2o_handler_t *handler, h2o_req_t *req)
{
    struct server *server = ((struct server_handler *)(void *)handler)->server;
    struct request *request = request_new(req);
    const struct refusal *early = &request_connection(request)->refusal;
    struct refusal refusal = {0};
    const struct server_route *route;

    assert(server->magic == SERVER_MAGIC);
    if (early->status != 0) {
        send_refusal(server, request, early);
        return 0;
    }
    route = judge(server, request_path(request), request_method(request), &refusal);
    if (refusal.status != 0) {
        send_refusal(server, request, &refusal);
        return 0;
    }
    assert(route != NULL);
    if (route->tells_instance && server->instance != NULL)
        request_add_header(request, INSTANCE_HEADER, server->instance);
    route->handler(route->owner, request);
    return 0;
}

/* ---- connections ---- */

/* Accept nothing for a while. The listener stays readable while accept() fails, so without a pause
 * the loop would spin. */
static void pause_accepting(struct server *server, const char *why)
{
    assert(server->listener != NULL);
    if (!server->out_of_fds)
        log_warn("http.accept", log_text("failed", why),
                 log_int("tried_again_every_ms", ACCEPT_PAUSE_MS));
    server->out_of_fds = true;
    h2o_socket_read_stop(server->listener);
    loop_timer_set(server->loop, &server->accept_again,
                   loop_now_ms(server->loop) + ACCEPT_PAUSE_MS);
}

static void on_accept(h2o_socket_t *listener, const char *error)
{
    struct server *server = listener->data;

    assert(server->magic == SERVER_MAGIC);
    if (error != NULL)
        return;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        h2o_socket_t *sock;

        /* After the first accept(), drop no open connection, since perhaps no new one waits. If one
         * waits, the listener is still readable in the next turn. */
        if (i > 0 && server->connections.n >= server->connections.max)
            return;
        if (!connections_have_room(&server->connections)) {
            pause_accepting(server, "all connections are in use");
            return;
        }
        sock = h2o_evloop_socket_accept(listener);

        if (sock != NULL) {
            connection_open(&server->connections, &server->accept_ctx, sock);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            pause_accepting(server, strerror(errno));
            /* Workers have the descriptors that clients were to have: as many as there are do. */
            (void)connections_drop_idle(&server->connections);
        } else {
            server->out_of_fds = false;
        }
        return;
    }
}

static void on_accept_again(struct loop_timer *timer)
{
    struct server *server = container_of(timer, struct server, accept_again);

    if (server->listener != NULL)
        h2o_socket_read_start(server->listener, on_accept);
}

static void configure(struct server *server, const struct server_opts *opts)
{
    h2o_hostconf_t *host;
    h2o_pathconf_t *path;
    h2o_handler_t *handler;

    h2o_config_init(&server->config);
    server->config.server_name = h2o_iovec_init(NULL, 0);
    server->config.max_request_entity_size = SIZE_MAX; /* http/receive.c bounds each body */
    server->config.http1.req_timeout = opts->idle_ms;
    server->config.http1.upgrade_to_http2 = 0;
    h2o_socket_buffer_mmap_settings.threshold = SIZE_MAX; /* keep bodies in memory, not in a file */
    host = h2o_config_register_host(&server->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    path = h2o_config_register_path(host, "/", 0);
    handler = h2o_create_handler(path, sizeof(struct server_handler));
    handler->on_req = on_req;
    ((struct server_handler *)(void *)handler)->server = server;
    h2o_context_init(&server->ctx, loop_h2o(server->loop), &server->config);
    server->accept_ctx.ctx = &server->ctx;
    server->accept_ctx.hosts = server->config.hosts;
}

struct server *server_new(struct loop *loop, const struct server_opts *opts,
                          const struct server_route *routes, size_t n_routes, struct err *err)
{
    struct server *server;
    struct endpoint endpoint = *opts->endpoint;
    int fd = endpoint_listen(&endpoint, opts->options, err);

    if (fd < 0)
        return NULL;
    server = xcalloc(1, sizeof(*server));
    server->magic = SERVER_MAGIC;
    server->loop = loop;
    server->routes = routes;
    server->n_routes = n_routes;
    server->endpoint = endpoint;
    server->not_found_text = opts->not_found_text;
    server->instance = opts->instance;
    server->connections = (struct connections){.loop = loop,
                                               .held = opts->held,
                                               .max = opts->connections_max,
                                               .transfer_ms = opts->transfer_ms,
                                               .admit = on_admit,
                                               .owner = server};
    connections_init(&server->connections);
    loop_timer_init(&server->accept_again, on_accept_again);
    configure(server, opts);
    server->listener = h2o_evloop_socket_create(loop_h2o(loop), fd, H2O_SOCKET_FLAG_DONT_READ);
    server->listener->data = server;
    h2o_socket_read_start(server->listener, on_accept);
    return server;
}

uint16_t server_port(const struct server *server)
{
    return server->endpoint.port;
}

unsigned server_n_open(const struct server *server)
{
    return server->connections.n_requests;
}

void server_drop_slow(struct server *server, uint64_t ms)
{
    connections_drop_slow(&server->connections, ms);
}

const struct connections *server_connections(const struct server *server)
{
    return &server->connections;
}

void server_wind_down(struct server *server)
{
    server->connections.is_ending = true;
}

void server_drain(struct server *server)
{
    assert(server->magic == SERVER_MAGIC);
    if (server->listener == NULL)
        return;
    endpoint_leave(&server->endpoint);
    h2o_socket_close(server->listener);
    server->listener = NULL;
    loop_timer_clear(&server->accept_again);
}

bool server_free(struct server **server)
{
    bool closed;

    if (*server == NULL)
        return true;
    server_drain(*server);
    connections_close(&(*server)->connections);
    /* A connection whose request libh2o is still handling cannot be closed, and needs the context
     * and the loop's timers. It is closed when the program ends, right after this call. */
    closed = (*server)->connections.n_requests == 0 &&
             h2o_linklist_is_empty(&(*server)->ctx.http1._conns);
    if (closed) {
        h2o_context_dispose(&(*server)->ctx);
        h2o_config_dispose(&(*server)->config);
        free(*server);
    }
    *server = NULL;
    return closed;
}

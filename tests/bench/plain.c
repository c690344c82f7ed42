#include "plain.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <h2o.h>
#include <h2o/http1.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* These are the proxy's: proxy/http/server.c and proxy/main.c. */
#define BACKLOG           1024
#define ACCEPTS_PER_TURN  16
#define BODY_MAX_BYTES    ((size_t)64 << 20)
#define KEEP_MALLOC_BYTES (64 << 20)
#define IDLE_MS           300000

uint16_t plain_port(const char *text)
{
    char *end;
    unsigned long port;

    errno = 0;
    port = strtoul(text, &end, 10);
    return errno != 0 || end == text || *end != '\0' || port > UINT16_MAX ? 0 : (uint16_t)port;
}

void plain_reply(h2o_req_t *req, int status, const char *body, size_t n)
{
    static h2o_generator_t generator;
    h2o_iovec_t bytes = h2o_iovec_init(body, n);

    assert(body != NULL);
    req->res.status = status;
    req->res.reason = status == 200 ? "OK" : "Bad Gateway";
    req->res.content_length = n;
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL,
                   H2O_STRLIT("application/json"));
    h2o_start_response(req, &generator);
    h2o_send(req, &bytes, 1, H2O_SEND_STATE_FINAL);
}

static void on_accept(h2o_socket_t *listener, const char *error)
{
    if (error != NULL)
        return;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        h2o_socket_t *sock = h2o_evloop_socket_accept(listener);

        if (sock == NULL)
            return;
        h2o_accept(listener->data, sock);
    }
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0) {
        (void)fprintf(stderr, "cannot listen on 127.0.0.1 port %u: %s\n", port, strerror(errno));
        return -1;
    }
    return fd;
}

static void configure(h2o_globalconf_t *config, plain_fn *handler)
{
    h2o_hostconf_t *host;

    h2o_config_init(config);
    config->server_name = h2o_iovec_init(NULL, 0);
    config->max_request_entity_size = BODY_MAX_BYTES;
    config->http1.req_timeout = IDLE_MS;
    config->http1.upgrade_to_http2 = 0;
    h2o_socket_buffer_mmap_settings.threshold = SIZE_MAX;
    host = h2o_config_register_host(config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_create_handler(h2o_config_register_path(host, "/", 0), sizeof(h2o_handler_t))->on_req =
        handler;
}

int plain_serve(uint16_t port, plain_fn *handler)
{
    /* libh2o keeps pointers to these for as long as the process lives. */
    static h2o_globalconf_t config;
    static h2o_context_t ctx;
    static h2o_accept_ctx_t accept_ctx;
    h2o_socket_t *listener;
    int fd = listen_on(port);

    if (fd < 0)
        return 1;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)mallopt(M_MMAP_THRESHOLD, KEEP_MALLOC_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, KEEP_MALLOC_BYTES);
    configure(&config, handler);
    h2o_context_init(&ctx, h2o_evloop_create(), &config);
    accept_ctx.ctx = &ctx;
    accept_ctx.hosts = config.hosts;
    listener = h2o_evloop_socket_create(ctx.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
    listener->data = &accept_ctx;
    h2o_socket_read_start(listener, on_accept);
    while (h2o_evloop_run(ctx.loop, INT32_MAX) == 0 || errno == EINTR)
        ;
    (void)fprintf(stderr, "cannot wait for events: %s\n", strerror(errno));
    return 1;
}

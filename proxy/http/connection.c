/*
 * libh2o's HTTP/1 parser accepts what RFC 9112 forbids, and reads a body for any path into memory
 * that we do not count. So we find the end of each request, and check its size, before libh2o sees
 * any of its bytes. We call libh2o's callback for input (`feed`) only when the socket's input
 * buffer holds exactly one whole request (http/receive.c).
 *
 * When libh2o has disposed of a request, it makes itself the reader of the socket again, to read
 * the next request (reqread_start). At the end of the same turn of the event loop, on_resume()
 * makes receive_on_readable() the reader instead.
 */

#include "http/connection.h"

#include <assert.h>
#include <h2o.h>
#include <string.h>
#include <sys/socket.h>

#include "base/util.h"
#include "http/receive.h"

#define TAKE_MIN_BYTES 16384 /* a handler copies a smaller body: cheaper than taking it over */

/* Called by libh2o when it has closed the socket: free the connection. */
static void on_closed(void *arg)
{
    struct connection *c = arg;
    struct connections *all = c->all;

    assert(all->n > 0);
    list_remove(&c->node);
    all->n--;
    connection_release(c);
    connection_drop_raw(c);
    loop_post_cancel(&c->resume);
    free(c->block);
    if (c->linger_fd >= 0)
        connections_linger(all, c->linger_fd);
    free(c);
}

void connection_busy(struct connection *c)
{
    assert(c->state == CONNECTION_BUSY);
    h2o_socket_read_start(c->sock, receive_on_readable);
}

bool connection_has_more(const struct connection *c)
{
    return !h2o_socket_is_reading(c->sock) || (c->gives ? c->has_rest : buf_len(&c->raw) > 0);
}

void connection_replying(struct connection *c, uint64_t n)
{
    assert(c->state == CONNECTION_BUSY);
    c->state = CONNECTION_REPLYING;
    c->waits = false;
    connection_hold(c, n);
    connection_open_window(c);
    connection_watch_speed(c);
}

void connection_on_left(struct connection *c, connection_left_fn *left, void *owner)
{
    c->left = left;
    c->left_owner = owner;
}

void connection_sending(struct connection *c)
{
    assert(c->state == CONNECTION_REPLYING || c->state == CONNECTION_CLOSING);
    c->waits = false;
    connection_open_window(c);
    connection_watch_speed(c);
}

void connection_waiting(struct connection *c)
{
    assert(c->state == CONNECTION_REPLYING || c->state == CONNECTION_CLOSING);
    c->waits = true;
}

void connection_cut(struct connection *c)
{
    (void)shutdown(h2o_socket_get_fd(c->sock), SHUT_RDWR);
}

void connection_done(struct connection *c)
{
    connection_release(c);
    c->left = NULL;
    c->state = CONNECTION_IDLE;
    loop_post(c->all->loop, &c->resume);
}

static void on_resume(struct loop_post *post)
{
    struct connection *c = container_of(post, struct connection, resume);

    assert(c->state == CONNECTION_IDLE);
    if (c->is_cut) {
        c->feed(c->sock, h2o_socket_error_closed);
        return;
    }
    if (c->ends)
        return;
    list_remove(&c->node);
    list_add_tail(&c->all->all, &c->node);
    h2o_socket_read_start(c->sock, receive_on_readable);
    receive_rest(c);
}

void connection_take_body(struct connection *c, struct body *body)
{
    h2o_buffer_t *input = c->sock->input;
    h2o_buffer_t *empty;

    memset(body, 0, sizeof(*body));
    if (c->n_body < TAKE_MIN_BYTES || c->refusal.status != 0)
        return;
    assert(c->state == CONNECTION_BUSY && c->n_body <= input->size);
    /* Put `empty` in the place of `input` and let it claim the same size. libh2o will drop the
     * request's bytes from this buffer, and for that looks only at the size. */
    empty = receive_block(NULL, 0);
    empty->size = input->size;
    c->sock->input = empty;
    body->block = (char *)input;
    body->n_held = c->n_held;
    c->n_held = 0;
}

void connection_open(struct connections *all, h2o_accept_ctx_t *accept_ctx, h2o_socket_t *sock)
{
    struct connection *c = xcalloc(1, sizeof(*c));

    assert(all->n < all->max);
    c->all = all;
    c->sock = sock;
    c->linger_fd = -1;
    c->is_new = true;
    connection_open_window(c);
    loop_post_init(&c->resume, on_resume);
    list_add_tail(&all->all, &c->node);
    all->n++;
    sock->on_close.cb = on_closed;
    sock->on_close.data = c;
    h2o_accept(accept_ctx, sock);
    c->feed = sock->_cb.read;
    h2o_socket_dont_read(sock, 1);
    h2o_socket_read_start(sock, receive_on_readable);
}

/*
 * Scans of all connections find slow clients. A scan runs at least once a second while we wait for
 * any client to send or read, and when memory or descriptors run out.
 */

#include "http/connections.h"

#include <assert.h>
#include <errno.h>
#include <h2o.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/util.h"

#define SLOW_BYTES   65536 /* a client that sends or takes less within the time limit is slow */
#define SLOW_MS      1000 /* time limit if memory or descriptors run out, else --transfer-timeout */
#define SWEEP_MS     1000 /* longest time between two scans for slow clients */
#define SWEEPS_LEAST 4    /* least number of scans within one --transfer-timeout */
#define LINGER_MS    5000 /* how long a refused client that still sends may read its reply */
#define LINGER_MAX   64
#define DRAIN_BYTES  65536
#define DRAIN_MAX    (1u << 20) /* most bytes read from one connection in one turn of the loop */

/* A socket whose input is read and dropped for a while before the socket is closed. If it were
 * closed while the client still sends, the client would get a reset and might lose the reply. RFC
 * 9112 9.6 */
struct lingering {
    struct list node;
    struct connections *all;
    struct loop_watch watch;
    struct loop_timer end;
};

const char *drop_name(enum drop drop)
{
    static const char *const names[N_DROPS] = {"idle", "slow", "memory", "end"};

    assert(drop < N_DROPS);
    return names[drop];
}

/* ---- how fast a client is ---- */

void connection_open_window(struct connection *c)
{
    c->window_at_ms = loop_now_ms(c->all->loop);
    c->window_bytes = 0;
}

void connection_progress(struct connection *c, uint64_t n)
{
    c->window_bytes += n;
    if (c->window_bytes >= SLOW_BYTES)
        connection_open_window(c);
}

static bool is_slow(const struct connection *c, uint64_t ms)
{
    return loop_now_ms(c->all->loop) - c->window_at_ms >= ms;
}

/* Whether we wait for the client, to send its request or to take its reply. */
static bool is_clients_turn(const struct connection *c)
{
    return c->state == CONNECTION_HEAD || c->state == CONNECTION_BODY ||
           (c->state == CONNECTION_REPLYING && !c->waits);
}

static uint64_t sweep_ms(const struct connections *all)
{
    return all->transfer_ms < SWEEPS_LEAST * SWEEP_MS ? all->transfer_ms / SWEEPS_LEAST : SWEEP_MS;
}

void connection_watch_speed(struct connection *c)
{
    struct connections *all = c->all;

    if (!loop_timer_is_set(&all->sweep))
        loop_timer_set(all->loop, &all->sweep, loop_now_ms(all->loop) + sweep_ms(all));
}

/* Drop slow clients. A client that has taken its whole reply is not among them: libh2o disposes of
 * its request before timers run, and its connection is then idle. */
static void on_sweep(struct loop_timer *timer)
{
    struct connections *all = container_of(timer, struct connections, sweep);
    struct list *node = all->all.next;
    bool again = false;

    while (node != &all->all) {
        struct connection *c = list_item(node, struct connection, node);

        node = node->next;
        if (!is_clients_turn(c))
            continue;
        again = true;
        if (is_slow(c, all->transfer_ms))
            connection_drop(c, DROP_SLOW);
    }
    if (again)
        loop_timer_set(all->loop, &all->sweep, loop_now_ms(all->loop) + sweep_ms(all));
}

/* ---- the end of a connection ---- */

static void linger_free(struct lingering *linger)
{
    assert(linger->all->n_lingering > 0);
    list_remove(&linger->node);
    linger->all->n_lingering--;
    loop_timer_clear(&linger->end);
    loop_watch_close(&linger->watch);
    free(linger);
}

static void on_linger_end(struct loop_timer *timer)
{
    linger_free(container_of(timer, struct lingering, end));
}

static void on_linger_readable(struct loop_watch *watch)
{
    static char drained[DRAIN_BYTES];
    ssize_t n = 1;

    for (size_t n_turn = 0; n > 0 && n_turn < DRAIN_MAX; n_turn += (size_t)n)
        n = recv(watch->fd, drained, sizeof(drained), MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        linger_free(container_of(watch, struct lingering, watch));
}

void connections_linger(struct connections *all, int fd)
{
    struct lingering *linger = xcalloc(1, sizeof(*linger));

    linger->all = all;
    all->n_lingering++;
    list_add_tail(&all->lingering, &linger->node);
    loop_watch_init(&linger->watch);
    loop_timer_init(&linger->end, on_linger_end);
    (void)shutdown(fd, SHUT_WR);
    loop_watch_open(all->loop, &linger->watch, fd);
    loop_watch_read(&linger->watch, on_linger_readable);
    loop_timer_set(all->loop, &linger->end, loop_now_ms(all->loop) + LINGER_MS);
}

bool connections_may_linger(const struct connections *all)
{
    return all->n_lingering < LINGER_MAX;
}

void connection_drop(struct connection *c, enum drop why)
{
    struct linger at_once = {.l_onoff = 1};

    assert(c->state != CONNECTION_BUSY && c->state != CONNECTION_CLOSING);
    c->all->n_dropped[why]++;
    log_info("http.drop", log_text("why", drop_name(why)),
             log_count("bytes_held", c->n_held + c->n_raw_held));
    if (c->state != CONNECTION_REPLYING) {
        c->feed(c->sock, h2o_socket_error_closed);
        return;
    }
    /* libh2o is writing the reply: make its next write fail, and free our memory now. */
    c->state = CONNECTION_CLOSING;
    c->is_cut = true; /* on_resume() closes the socket after libh2o has given up the reply */
    connection_release(c);
    connection_drop_raw(c);
    (void)setsockopt(h2o_socket_get_fd(c->sock), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    (void)shutdown(h2o_socket_get_fd(c->sock), SHUT_RDWR);
}

/* ---- room for connections and for memory ---- */

void connections_init(struct connections *all)
{
    assert(all->admit != NULL);
    assert(all->n == 0);
    list_init(&all->all);
    list_init(&all->lingering);
    loop_timer_init(&all->sweep, on_sweep);
}

/* Whether the connection may be dropped to make room for another one. A new connection gets SLOW_MS
 * for the first byte of its request, which may be on its way. */
static bool is_dispensable(const struct connection *c)
{
    if (c->state == CONNECTION_IDLE && !c->is_new)
        return true;
    return (c->is_new || is_clients_turn(c)) && is_slow(c, SLOW_MS);
}

bool connections_drop_idle(struct connections *all)
{
    list_each(node, &all->all) {
        struct connection *c = list_item(node, struct connection, node);
        bool is_replying = c->state == CONNECTION_REPLYING;

        if (is_dispensable(c)) {
            connection_drop(c, DROP_IDLE);
            return !is_replying; /* a replying c makes room in the next turn, when it is closed */
        }
    }
    return false;
}

bool connections_have_room(struct connections *all)
{
    return all->n < all->max || connections_drop_idle(all);
}

bool connections_make_room(struct connections *all, uint64_t n, const struct connection *asks)
{
    assert(asks == NULL || asks->all == all);
    while (!held_fits(all->held, n)) {
        struct connection *slow = NULL;

        list_each(node, &all->all) {
            struct connection *c = list_item(node, struct connection, node);

            if (c != asks && is_clients_turn(c) && c->n_held + c->n_raw_held > 0 &&
                is_slow(c, SLOW_MS) && (slow == NULL || c->window_at_ms < slow->window_at_ms))
                slow = c;
        }
        if (slow == NULL)
            return false;
        connection_drop(slow, DROP_MEMORY);
    }
    return true;
}

void connections_drop_slow(struct connections *all, uint64_t ms)
{
    list_each(node, &all->all) {
        struct connection *c = list_item(node, struct connection, node);

        if (c->state == CONNECTION_REPLYING && !c->waits && is_slow(c, ms))
            connection_drop(c, DROP_END);
    }
}

void connections_close(struct connections *all)
{
    struct list *node;

    loop_timer_clear(&all->sweep);
    while ((node = list_take_first(&all->lingering)) != NULL)
        linger_free(list_item(node, struct lingering, node));
    assert(all->n_lingering == 0);
    node = all->all.next;
    while (node != &all->all) {
        struct connection *c = list_item(node, struct connection, node);

        node = node->next;
        if (c->state == CONNECTION_IDLE || c->state == CONNECTION_HEAD ||
            c->state == CONNECTION_BODY)
            c->feed(c->sock, h2o_socket_error_closed);
    }
}

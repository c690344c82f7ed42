/*
 * libh2o's parser of HTTP/1 accepts what RFC 9112 forbids, and reads bodies of any path into memory
 * that nobody counts. Both are decided before it sees a byte: its own callback (`feed`) is called
 * only when a whole request lies in the socket's input buffer, with nothing behind it. The head is
 * written anew, with one Content-Length and one Host.
 *
 * libh2o sets its callback each time that it turns to the next request (reqread_start), right after
 * it has disposed of the one before; ours takes its place at the end of that turn (on_resume).
 */

#include "http/connection.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <h2o.h>
#include <h2o/http1.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/held.h"
#include "base/log.h"
#include "base/util.h"

#define READ_BYTES     65536
#define READ_TURN_MAX  (1u << 20) /* of one connection in one turn, so that others get theirs */
#define SLOW_BYTES     65536      /* who sends or takes less in some time is slow */
#define SLOW_MS        1000       /* ... in this, when memory or descriptors run out */
#define TAKE_MIN_BYTES 16384      /* bodies below are copied sooner than handed over */
#define LINGER_MS      5000       /* for a refused client to hear of it, while it may still send */
#define LINGER_MAX     64
#define LENGTH_DIGITS  18   /* libh2o takes 19 at most */
#define CHUNKED_START  4096 /* room for a chunked body, doubled as it comes */

enum connection_state {
    IDLE, /* no byte of a request has come */
    HEAD,
    BODY,
    BUSY,     /* libh2o has a request, its handler has not replied */
    REPLYING, /* libh2o writes the reply */
    CLOSING,  /* was dropped while replying */
};

struct connection {
    struct list node;
    struct connections *all; /* borrowed */
    h2o_socket_t *sock;      /* libh2o's own */
    h2o_socket_cb feed;      /* libh2o's, for input */
    enum connection_state state;
    bool gives;          /* inside give(): `raw` may still hold what the request is made of */
    bool has_rest;       /* then: something is behind it */
    struct buf raw;      /* read, and not of a request that libh2o or `block` has */
    size_t n_seen;       /* bytes of it in which no line end is left unread */
    h2o_buffer_t *block; /* owned; head and body of the request that comes */
    char *length_at;     /* in it: where the length of a chunked body is to stand */
    uint64_t n_body;     /* of the body: as stated, or come so far when it is chunked */
    uint64_t n_got;
    uint64_t body_max_bytes;
    bool is_chunked;
    bool wants_continue;
    bool ends; /* closed after the reply */
    struct chunks chunks;
    struct head head; /* its method and target: of the body that comes, in `block` */
    uint64_t n_held;  /* counted in all->held for this connection */
    struct refusal refusal;
    int linger_fd;            /* of the same socket, kept beyond its close; -1: none */
    connection_left_fn *left; /* NULL: nobody asks */
    void *left_owner;
    struct loop_timer late;
    struct loop_post resume;
    uint64_t window_at_ms; /* since then less than SLOW_BYTES were sent or taken */
    uint64_t window_bytes;
};

struct lingering {
    struct list node;
    struct connections *all;
    struct loop_watch watch;
    struct loop_timer end;
};

static char scratch[READ_BYTES]; /* one thread: of whoever reads just now */

const char *drop_name(enum drop drop)
{
    static const char *const names[N_DROPS] = {"idle", "slow", "memory", "end"};

    return names[drop];
}

struct connection *connection_of(h2o_socket_t *sock)
{
    return sock->on_close.data;
}

struct connections *connection_all(const struct connection *c)
{
    return c->all;
}

const struct refusal *connection_refusal(const struct connection *c)
{
    return c->refusal.status != 0 ? &c->refusal : NULL;
}

bool connection_ends(const struct connection *c)
{
    return c->ends;
}

static void drop_held(struct connection *c)
{
    held_drop(c->all->held, c->n_held);
    c->n_held = 0;
}

static void hold(struct connection *c, uint64_t n)
{
    held_add(c->all->held, n);
    c->n_held += n;
}

/* ---- how fast a client is ---- */

static void open_window(struct connection *c)
{
    c->window_at_ms = loop_now_ms(c->all->loop);
    c->window_bytes = 0;
}

static void note_progress(struct connection *c, uint64_t n)
{
    c->window_bytes += n;
    if (c->window_bytes >= SLOW_BYTES)
        open_window(c);
}

static bool is_slow(const struct connection *c, uint64_t ms)
{
    return loop_now_ms(c->all->loop) - c->window_at_ms >= ms;
}

static void watch_speed(struct connection *c)
{
    if (!loop_timer_is_set(&c->late))
        loop_timer_set(c->all->loop, &c->late, c->window_at_ms + c->all->transfer_ms);
}

/* ---- the end of a connection ---- */

/* A client that still sends when its connection is closed gets a reset, which may take the answer
 * with it: what it sends is read and dropped for a while. RFC 9112 9.6 */
static void linger_free(struct lingering *linger)
{
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
    ssize_t n = 1;

    for (size_t n_turn = 0; n > 0 && n_turn < READ_TURN_MAX; n_turn += (size_t)n)
        n = recv(watch->fd, scratch, sizeof(scratch), MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        linger_free(container_of(watch, struct lingering, watch));
}

static void linger_start(struct connections *all, int fd)
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

/* libh2o has closed the socket. */
static void on_closed(void *arg)
{
    struct connection *c = arg;
    struct connections *all = c->all;

    list_remove(&c->node);
    all->n--;
    drop_held(c);
    loop_timer_clear(&c->late);
    loop_post_cancel(&c->resume);
    buf_done(&c->raw);
    free(c->block);
    if (c->linger_fd >= 0)
        linger_start(all, c->linger_fd);
    free(c);
}

/* The connection is gone afterwards, at once or in the next turn. */
static void drop(struct connection *c, enum drop why)
{
    struct linger at_once = {.l_onoff = 1};

    assert(c->state != BUSY && c->state != CLOSING);
    c->all->n_dropped[why]++;
    log_info("http.drop", log_text("why", drop_name(why)), log_count("bytes_held", c->n_held));
    if (c->state != REPLYING) {
        c->feed(c->sock, h2o_socket_error_closed);
        return;
    }
    /* libh2o is writing: it finds out by the write that fails. The memory goes with it. */
    c->state = CLOSING;
    drop_held(c);
    (void)setsockopt(h2o_socket_get_fd(c->sock), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    (void)shutdown(h2o_socket_get_fd(c->sock), SHUT_RDWR);
}

static void on_late(struct loop_timer *timer)
{
    struct connection *c = container_of(timer, struct connection, late);

    if (c->state != HEAD && c->state != BODY && c->state != REPLYING)
        return;
    if (is_slow(c, c->all->transfer_ms))
        drop(c, DROP_SLOW);
    else
        watch_speed(c);
}

/* ---- room ---- */

void connections_init(struct connections *all)
{
    list_init(&all->all);
    list_init(&all->lingering);
}

bool connections_have_room(struct connections *all)
{
    if (all->n < all->max)
        return true;
    list_each(node, &all->all) {
        struct connection *c = list_item(node, struct connection, node);

        if (c->state == IDLE || ((c->state == HEAD || c->state == BODY) && is_slow(c, SLOW_MS))) {
            drop(c, DROP_IDLE);
            return true;
        }
    }
    return false;
}

bool connections_make_room(struct connections *all, uint64_t n)
{
    while (!held_fits(all->held, n)) {
        struct connection *slow = NULL;

        list_each(node, &all->all) {
            struct connection *c = list_item(node, struct connection, node);

            if ((c->state == BODY || c->state == REPLYING) && c->n_held > 0 &&
                is_slow(c, SLOW_MS) && (slow == NULL || c->window_at_ms < slow->window_at_ms))
                slow = c;
        }
        if (slow == NULL)
            return false;
        drop(slow, DROP_MEMORY);
    }
    return true;
}

void connections_drop_slow(struct connections *all, uint64_t ms)
{
    list_each(node, &all->all) {
        struct connection *c = list_item(node, struct connection, node);

        if (c->state == REPLYING && is_slow(c, ms))
            drop(c, DROP_END);
    }
}

void connections_close(struct connections *all)
{
    struct list *node = all->all.next;

    while (!list_empty(&all->lingering))
        linger_free(list_item(all->lingering.next, struct lingering, node));
    while (node != &all->all) {
        struct connection *c = list_item(node, struct connection, node);

        node = node->next;
        if (c->state == IDLE || c->state == HEAD || c->state == BODY)
            c->feed(c->sock, h2o_socket_error_closed);
    }
}

/* ---- a request on its way to libh2o ---- */

/* A block as libh2o's input buffers are. Its capacity is never that of the ones it recycles. */
static h2o_buffer_t *block_resize(h2o_buffer_t *block, size_t capacity)
{
    size_t n_before = block != NULL ? (size_t)(block->bytes - block->_buf) : 0;
    bool is_new = block == NULL;

    if (capacity == h2o_socket_buffer_prototype._initial_buf.capacity)
        capacity++;
    block = xrealloc(block, offsetof(h2o_buffer_t, _buf) + capacity);
    if (is_new) {
        memset(block, 0, offsetof(h2o_buffer_t, _buf));
        block->_prototype = &h2o_socket_buffer_prototype;
        block->_fd = -1;
    }
    block->bytes = block->_buf + n_before;
    block->capacity = capacity;
    return block;
}

static void block_add(h2o_buffer_t *block, const char *text, size_t n)
{
    assert((size_t)(block->bytes - block->_buf) + block->size + n <= block->capacity);
    if (n > 0)
        memcpy(block->bytes + block->size, text, n);
    block->size += n;
}

static void block_add_text(h2o_buffer_t *block, const char *text)
{
    block_add(block, text, strlen(text));
}

/* libh2o gets it, and calls its handler from inside this. */
static void give(struct connection *c)
{
    c->state = BUSY;
    loop_timer_clear(&c->late);
    if (c->length_at != NULL) {
        char digits[24];

        (void)snprintf(digits, sizeof(digits), "%018llu", (unsigned long long)c->n_body);
        memcpy(c->length_at, digits, LENGTH_DIGITS);
    }
    assert(c->sock->input->size == 0);
    h2o_buffer_dispose(&c->sock->input);
    c->sock->input = TAKE(c->block);
    c->gives = true;
    c->feed(c->sock, NULL);
    c->gives = false;
}

/* Have this answered, and nothing else read as a request. */
static void refuse(struct connection *c, const struct refusal *refusal)
{
    c->refusal = *refusal;
    c->all->n_refused++;
    c->ends = true;
    c->length_at = NULL;
    drop_held(c);
    buf_reset(&c->raw, 0);
    free(c->block);
    c->block = block_resize(NULL, 64);
    block_add_text(c->block,
                   refusal->is_head ? "HEAD / HTTP/1.0\r\n\r\n" : "GET / HTTP/1.0\r\n\r\n");
    if (c->all->n_lingering < LINGER_MAX)
        c->linger_fd = fcntl(h2o_socket_get_fd(c->sock), F_DUPFD_CLOEXEC, 0);
    give(c);
}

static void refuse_as(struct connection *c, int status, const char *text)
{
    struct refusal refusal = {.status = status};

    (void)snprintf(refusal.text, sizeof(refusal.text), "%s", text);
    refuse(c, &refusal);
}

/* Whether a line is written anew, or of no meaning to libh2o. */
static bool is_replaced(const struct head *head, struct part name)
{
    return part_is(name, "content-length") || part_is(name, "transfer-encoding") ||
           part_is(name, "expect") || part_is(name, "upgrade") ||
           (head->closes && part_is(name, "connection")) ||
           (head->authority.text != NULL && part_is(name, "host"));
}

/* The head as libh2o gets it. */
static void write_head(struct connection *c, const struct head *head)
{
    h2o_buffer_t *block = c->block;
    struct part name, value, line;
    bool has_host = false;
    char text[64];

    block_add(block, head->method.text, head->method.n);
    block_add_text(block, " ");
    if (head->target.n == 0 || head->target.text[0] == '?')
        block_add_text(block, "/");
    block_add(block, head->target.text, head->target.n);
    block_add_text(block, head->minor > 0 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n");
    for (size_t at = 0; head_next_field(head->fields, &at, &name, &value, &line);) {
        has_host = has_host || part_is(name, "host");
        if (!is_replaced(head, name))
            block_add(block, line.text, line.n);
    }
    if (head->authority.text != NULL && has_host) {
        block_add_text(block, "host: ");
        block_add(block, head->authority.text, head->authority.n);
        block_add_text(block, "\r\n");
    }
    if (head->closes)
        block_add_text(block, "connection: close\r\n");
    if (head->has_length || head->is_chunked) {
        (void)snprintf(text, sizeof(text), "content-length: %018llu\r\n",
                       (unsigned long long)head->length);
        block_add_text(block, text);
        c->length_at = head->is_chunked ? block->bytes + block->size - 2 - LENGTH_DIGITS : NULL;
    }
    block_add_text(block, "\r\n");
}

/* A head has come. false: it was refused. */
static bool begin(struct connection *c, const struct head *head)
{
    struct admission admission = {0};
    uint64_t n_body = head->has_length ? head->length : 0;
    size_t n_room = head->has_length || head->is_chunked ? BODY_ROOM : 0;
    size_t n_first = head->is_chunked ? CHUNKED_START : 0;

    c->all->admit(c->all->owner, head, n_body, false, &admission);
    if (admission.refusal.status == 0 && !connections_make_room(c->all, n_body + n_first)) {
        c->all->held->n_refused++;
        c->all->admit(c->all->owner, head, n_body, true, &admission);
    }
    if (admission.refusal.status != 0) {
        admission.refusal.is_head = part_is(head->method, "head");
        refuse(c, &admission.refusal);
        return false;
    }
    hold(c, n_body + n_first);
    c->block = block_resize(NULL, n_room + head->n + 128 + n_body + n_first);
    c->block->bytes += n_room;
    c->length_at = NULL;
    write_head(c, head);
    c->is_chunked = head->is_chunked;
    c->n_body = n_body;
    c->n_got = 0;
    c->body_max_bytes = admission.body_max_bytes;
    c->wants_continue = head->expects_continue && head->minor > 0;
    memset(&c->chunks, 0, sizeof(c->chunks));
    /* For a body that turns out to be too long. The request line begins the block. */
    c->head = *head;
    c->state = BODY;
    return true;
}

/* Room for n bytes more of a chunked body. false: it was refused. */
static bool grow(struct connection *c, size_t n)
{
    h2o_buffer_t *block = c->block;
    size_t n_used = (size_t)(block->bytes - block->_buf) + block->size;
    size_t n_more;
    size_t n_length_at = (size_t)(c->length_at - (char *)block);
    struct admission admission = {0};

    c->head.method = (struct part){block->bytes, c->head.method.n};
    c->head.target = (struct part){block->bytes + c->head.method.n + 1, c->head.target.n};
    if (c->n_body + n > c->body_max_bytes) {
        c->all->admit(c->all->owner, &c->head, c->n_body + n, false, &admission);
        refuse(c, &admission.refusal);
        return false;
    }
    if (block->capacity - n_used > n) /* and one byte behind it */
        return true;
    n_more = block->capacity > n + 1 ? block->capacity : n + 1;
    if (!connections_make_room(c->all, n_more)) {
        c->all->held->n_refused++;
        c->all->admit(c->all->owner, &c->head, c->n_body + n, true, &admission);
        refuse(c, &admission.refusal);
        return false;
    }
    hold(c, n_more);
    c->block = block_resize(block, block->capacity + n_more);
    c->length_at = (char *)c->block + n_length_at;
    return true;
}

/* ---- bytes that were read ---- */

/* Each returns how many of text[0 .. n) are used up; the connection has been refused or given to
 * libh2o when its state is BUSY then. */

static size_t use_chunks(struct connection *c, const char *text, size_t n)
{
    size_t used = 0, n_used;
    struct part data;

    while (used < n) {
        enum framing found = chunks_read(&c->chunks, text + used, n - used, &n_used, &data);

        used += n_used;
        if (found == FRAMING_BAD) {
            refuse_as(c, 400, c->chunks.why);
            return n;
        }
        if (data.n > 0) {
            if (!grow(c, data.n))
                return n;
            block_add(c->block, data.text, data.n);
            c->n_body += data.n;
        }
        if (found == FRAMING_WHOLE) {
            c->has_rest = used < n;
            give(c);
            return used;
        }
    }
    return used;
}

static size_t use_body(struct connection *c, const char *text, size_t n)
{
    size_t used;

    if (c->is_chunked)
        return use_chunks(c, text, n);
    used = c->n_body - c->n_got < n ? (size_t)(c->n_body - c->n_got) : n;
    block_add(c->block, text, used);
    c->n_got += used;
    c->has_rest = used < n;
    if (c->n_got == c->n_body)
        give(c);
    return used;
}

static size_t use_head(struct connection *c, const char *text, size_t n)
{
    struct head head;
    enum framing found;

    /* Whoever sends byte by byte has its head read again for each line, not for each byte. */
    if (c->n_seen > 0 && n <= HEAD_MAX_BYTES &&
        memchr(text + c->n_seen, '\n', n - c->n_seen) == NULL) {
        c->n_seen = n;
        return 0;
    }
    found = head_read(&head, text, n);
    c->n_seen = n;
    if (found == FRAMING_MORE)
        return 0;
    c->n_seen = 0;
    if (found == FRAMING_BAD) {
        refuse_as(c, head.status, head.why);
        return n;
    }
    return begin(c, &head) ? head.n : n;
}

/* Use up what has come, as long as libh2o has no request. */
static size_t use(struct connection *c, const char *text, size_t n)
{
    size_t used = 0;

    if (c->state == IDLE && n > 0) {
        c->state = HEAD;
        open_window(c);
    }
    if (c->state == HEAD)
        used = use_head(c, text, n);
    if (c->state == BODY)
        used += use_body(c, text + used, n - used);
    return used;
}

static void tell_to_continue(struct connection *c)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

    if (c->state == BODY && c->wants_continue)
        (void)!send(h2o_socket_get_fd(c->sock), text, sizeof(text) - 1,
                    MSG_DONTWAIT | MSG_NOSIGNAL);
    c->wants_continue = false;
}

static void take(struct connection *c, const char *text, size_t n)
{
    size_t used;

    if (buf_len(&c->raw) > 0) {
        buf_add(&c->raw, text, n);
        used = use(c, buf_at(&c->raw), buf_len(&c->raw));
        if (buf_len(&c->raw) > 0) /* else it was refused */
            buf_drop(&c->raw, used);
    } else {
        used = use(c, text, n);
        if (used < n)
            buf_add(&c->raw, text + used, n - used);
    }
    if (buf_len(&c->raw) == 0)
        buf_reset(&c->raw, 0);
}

/* Whether the rest of the body may go where it belongs. */
static bool is_direct(const struct connection *c)
{
    return c->state == BODY && !c->is_chunked && buf_len(&c->raw) == 0;
}

/* Read once. Bytes that came, or -1: there is nothing; 0: the client has left. */
static ssize_t read_once(struct connection *c, size_t *wanted)
{
    char *to = scratch;
    ssize_t n;

    *wanted = sizeof(scratch);
    if (is_direct(c)) {
        to = c->block->bytes + c->block->size;
        *wanted =
            c->n_body - c->n_got < READ_TURN_MAX ? (size_t)(c->n_body - c->n_got) : READ_TURN_MAX;
    }
    do
        n = read(h2o_socket_get_fd(c->sock), to, *wanted);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? -1 : 0;
    if (n > 0)
        note_progress(c, (uint64_t)n);
    if (n > 0 && to != scratch) {
        c->block->size += (size_t)n;
        c->n_got += (uint64_t)n;
        c->has_rest = false;
        if (c->n_got == c->n_body)
            give(c);
    } else if (n > 0) {
        take(c, scratch, (size_t)n);
    }
    return n;
}

/* Its end of the connection is closed; half of it counts, too. */
static bool has_left(const struct connection *c)
{
    char byte;
    ssize_t n = recv(h2o_socket_get_fd(c->sock), &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void on_readable(h2o_socket_t *sock, const char *error)
{
    struct connection *c = connection_of(sock);
    size_t n_turn = 0, wanted;
    ssize_t n;

    (void)error;
    if ((c->state == BUSY || c->state == REPLYING) && c->left != NULL && has_left(c)) {
        connection_left_fn *left = c->left;

        c->left = NULL;
        h2o_socket_read_stop(sock);
        left(c->left_owner);
        return;
    }
    /* More, or the end, neither of which changes what was begun; looked at after the reply. */
    if (c->state == BUSY || c->state == CLOSING || c->ends ||
        (c->state == REPLYING && buf_len(&c->raw) > 0)) {
        h2o_socket_read_stop(sock);
        return;
    }
    do {
        n = read_once(c, &wanted);
        if (n == 0 && c->state == REPLYING) {
            h2o_socket_read_stop(sock);
            return;
        }
        if (n == 0) {
            c->feed(sock, h2o_socket_error_closed);
            return;
        }
        if (n > 0)
            n_turn += (size_t)n;
    } while (n > 0 && (size_t)n == wanted && n_turn < READ_TURN_MAX &&
             (c->state == HEAD || c->state == BODY));
    tell_to_continue(c);
    if (c->state == HEAD || c->state == BODY)
        watch_speed(c);
}

/* ---- what libh2o and the handlers do with it ---- */

void connection_busy(struct connection *c)
{
    assert(c->state == BUSY);
    h2o_socket_read_start(c->sock, on_readable);
}

bool connection_has_more(const struct connection *c)
{
    return !h2o_socket_is_reading(c->sock) || (c->gives ? c->has_rest : buf_len(&c->raw) > 0);
}

void connection_replying(struct connection *c, uint64_t n)
{
    c->state = REPLYING;
    open_window(c);
    if (n == 0)
        return;
    hold(c, n);
    watch_speed(c);
}

void connection_on_left(struct connection *c, connection_left_fn *left, void *owner)
{
    c->left = left;
    c->left_owner = owner;
}

void connection_sending(struct connection *c)
{
    open_window(c);
    watch_speed(c);
}

void connection_waiting(struct connection *c)
{
    loop_timer_clear(&c->late);
}

void connection_cut(struct connection *c)
{
    (void)shutdown(h2o_socket_get_fd(c->sock), SHUT_RDWR);
}

void connection_took(struct connection *c, uint64_t n)
{
    note_progress(c, n);
}

void connection_done(struct connection *c)
{
    drop_held(c);
    c->left = NULL;
    c->state = IDLE;
    loop_timer_clear(&c->late);
    loop_post(c->all->loop, &c->resume);
}

static void on_resume(struct loop_post *post)
{
    struct connection *c = container_of(post, struct connection, resume);

    if (c->ends)
        return;
    list_remove(&c->node);
    list_add_tail(&c->all->all, &c->node);
    h2o_socket_read_start(c->sock, on_readable);
    if (buf_len(&c->raw) > 0) {
        struct buf before = c->raw;

        memset(&c->raw, 0, sizeof(c->raw));
        take(c, buf_at(&before), buf_len(&before));
        buf_done(&before);
        tell_to_continue(c);
        if (c->state == HEAD || c->state == BODY)
            watch_speed(c);
    }
}

void connection_take_body(struct connection *c, struct body *body)
{
    h2o_buffer_t *input = c->sock->input;
    h2o_buffer_t *empty;

    memset(body, 0, sizeof(*body));
    if (c->n_body < TAKE_MIN_BYTES || c->refusal.status != 0)
        return;
    assert(c->state == BUSY && c->n_body <= input->size);
    /* libh2o looks at nothing but the size any more, when it drops the request from its input. */
    empty = block_resize(NULL, 0);
    empty->size = input->size;
    c->sock->input = empty;
    body->block = (char *)input;
    body->text = input->bytes + input->size - c->n_body;
    body->n = (size_t)c->n_body;
    body->n_held = c->n_held;
    c->n_held = 0;
}

void connection_open(struct connections *all, h2o_accept_ctx_t *accept_ctx, h2o_socket_t *sock)
{
    struct connection *c = xcalloc(1, sizeof(*c));

    c->all = all;
    c->sock = sock;
    c->linger_fd = -1;
    loop_timer_init(&c->late, on_late);
    loop_post_init(&c->resume, on_resume);
    list_add_tail(&all->all, &c->node);
    all->n++;
    sock->on_close.cb = on_closed;
    sock->on_close.data = c;
    h2o_accept(accept_ctx, sock);
    c->feed = sock->_cb.read;
    h2o_socket_dont_read(sock, 1);
    h2o_socket_read_start(sock, on_readable);
}

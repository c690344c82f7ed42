/*
 * All input of clients is read here and cut into requests by strict rules (http/framing.h). The
 * size of a request is checked before its body is read. libh2o gets one whole request at a time,
 * and no byte of the next one. If necessary, the head is rewritten so that it has one
 * Content-Length and one Host.
 */

#include "http/receive.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <h2o.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/util.h"

#define READ_BYTES     65536
#define READ_TURN_MAX  (1u << 20) /* most bytes read from one connection per turn of the loop */
#define RAW_FREE_BYTES 4096 /* up to this size, unprocessed input is not counted as held memory */
#define HEAD_MORE      128  /* most bytes by which a head grows when it is rewritten */
#define CHUNKED_START  4096 /* bytes allocated for a chunked body at first; doubled as it grows */
#define SMALL_BYTES    4000 /* capacity of blocks that later requests reuse; most requests fit */
#define N_SMALL_KEPT   16   /* most unused blocks of SMALL_BYTES that are kept */

static char scratch[READ_BYTES]; /* shared by all connections: each needs it for one read only */

/* ---- a request on its way to libh2o ---- */

/* libh2o keeps freed buffers of this prototype, and uses them for later requests. */
static h2o_buffer_prototype_t small = {.allocator = {.max = N_SMALL_KEPT},
                                       ._initial_buf = {.capacity = SMALL_BYTES}};

static h2o_buffer_t *small_block(void)
{
    h2o_buffer_t *block;

    h2o_buffer_init(&block, &small);
    (void)h2o_buffer_reserve(&block, SMALL_BYTES);
    assert(block->capacity >= SMALL_BYTES);
    return block;
}

h2o_buffer_t *receive_block(h2o_buffer_t *block, size_t capacity)
{
    size_t n_before = block != NULL ? (size_t)(block->bytes - block->_buf) : 0;
    bool is_new = block == NULL;

    if (is_new && capacity <= SMALL_BYTES)
        return small_block();
    assert(capacity > SMALL_BYTES);
    assert(is_new || capacity > block->capacity);
    block = xrealloc(block, offsetof(h2o_buffer_t, _buf) + capacity);
    if (is_new) {
        memset(block, 0, offsetof(h2o_buffer_t, _buf));
        block->_prototype = &small;
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

/* Write a decimal number to the end of `digits`, with zeros in front if it has fewer than n_min
 * digits. Returns a pointer to the first digit. This is ten times as fast as printf(), and is done
 * for many requests. */
static const char *write_length(char digits[LENGTH_MAX_DIGITS], uint64_t length, size_t n_min)
{
    char *end = digits + LENGTH_MAX_DIGITS, *at = end;

    assert(n_min <= LENGTH_MAX_DIGITS);
    for (; length > 0 || (size_t)(end - at) < n_min; length /= 10) {
        assert(at > digits); /* no body is long enough for more digits */
        *--at = (char)('0' + length % 10);
    }
    return at;
}

/* Give the received request to libh2o, which calls the request's handler before this returns. */
static void give(struct connection *c)
{
    assert(c->block != NULL);
    assert(!c->gives);
    c->state = CONNECTION_BUSY;
    if (c->length_at != NULL)
        (void)write_length(c->length_at, c->n_body, LENGTH_MAX_DIGITS);
    assert(c->sock->input->size == 0);
    h2o_buffer_dispose(&c->sock->input);
    c->sock->input = TAKE(c->block);
    c->gives = true;
    c->feed(c->sock, NULL);
    c->gives = false;
}

/* Update how much memory is counted as held for c->raw. */
static void count_raw(struct connection *c)
{
    uint64_t n = c->raw.size > RAW_FREE_BYTES ? c->raw.size : 0;

    held_drop(c->all->held, c->n_raw_held);
    held_add(c->all->held, n);
    c->n_raw_held = n;
}

/* Duplicate the socket for connections_linger(): when libh2o closes the connection, the client may
 * still be sending. */
static void linger_later(struct connection *c)
{
    if (c->linger_fd < 0 && connections_may_linger(c->all))
        c->linger_fd = fcntl(h2o_socket_get_fd(c->sock), F_DUPFD_CLOEXEC, 0);
}

/* Refuse the request: give libh2o a made-up request in its place, which is answered with this
 * refusal. Later input is not parsed. */
static void refuse(struct connection *c, const struct refusal *refusal)
{
    assert(c->state == CONNECTION_HEAD || c->state == CONNECTION_BODY);
    assert(refusal->status >= 400);
    c->refusal = *refusal;
    c->all->n_refused++;
    c->ends = true;
    c->length_at = NULL;
    connection_release(c);
    connection_drop_raw(c);
    free(c->block);
    c->block = receive_block(NULL, 64);
    block_add_text(c->block,
                   refusal->is_head ? "HEAD / HTTP/1.0\r\n\r\n" : "GET / HTTP/1.0\r\n\r\n");
    linger_later(c);
    give(c);
}

static void refuse_as(struct connection *c, int status, const char *text)
{
    struct refusal refusal = {.status = status};

    (void)snprintf(refusal.text, sizeof(refusal.text), "%s", text);
    refuse(c, &refusal);
}

/* Whether to leave this header out of the head: we write our own, or libh2o has no use for it. */
static bool is_replaced(const struct head *head, struct span name)
{
    return span_is(name, "content-length") || span_is(name, "transfer-encoding") ||
           span_is(name, "expect") || span_is(name, "upgrade") ||
           (head->closes && span_is(name, "connection")) ||
           (head->authority.text != NULL && span_is(name, "host"));
}

/* Write the head into c->block, in the form in which libh2o gets it. */
static void write_head(struct connection *c, const struct head *head)
{
    h2o_buffer_t *block = c->block;
    struct span name, value, line;
    char digits[LENGTH_MAX_DIGITS];

    if (head->as_it_is) {
        block_add(block, head->method.text, head->n - head->n_skipped);
        return;
    }
    block_add(block, head->method.text, head->method.n);
    block_add_text(block, " ");
    if (head->target.n == 0 || head->target.text[0] == '?')
        block_add_text(block, "/");
    block_add(block, head->target.text, head->target.n);
    block_add_text(block, head->minor > 0 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n");
    for (size_t at = 0; head_next_field(head->fields, &at, &name, &value, &line);) {
        if (!is_replaced(head, name))
            block_add(block, line.text, line.n);
    }
    if (head->authority.text != NULL) {
        block_add_text(block, "host: ");
        block_add(block, head->authority.text, head->authority.n);
        block_add_text(block, "\r\n");
    }
    if (head->closes)
        block_add_text(block, "connection: close\r\n");
    if (head->has_length || head->is_chunked) {
        const char *length =
            write_length(digits, head->length, head->is_chunked ? LENGTH_MAX_DIGITS : 1);

        block_add_text(block, "content-length: ");
        block_add(block, length, (size_t)(digits + LENGTH_MAX_DIGITS - length));
        block_add_text(block, "\r\n");
        c->length_at = head->is_chunked ? block->bytes + block->size - 2 - LENGTH_MAX_DIGITS : NULL;
    }
    block_add_text(block, "\r\n");
}

/* Begin to receive a request whose head is complete. false: the request was refused. */
static bool begin(struct connection *c, const struct head *head)
{
    struct admission admission = {0};
    uint64_t n_body = head->has_length ? head->length : 0;
    size_t n_room = head->has_length || head->is_chunked ? BODY_ROOM : 0;
    size_t n_first = head->is_chunked ? CHUNKED_START : 0;
    size_t n_block = n_room + head->n + HEAD_MORE + n_body + n_first;

    assert(c->state == CONNECTION_HEAD);
    assert(c->block == NULL);
    c->all->admit(c->all->owner, head, n_body, false, &admission);
    if (admission.refusal.status == 0 && !connections_make_room(c->all, n_block, c))
        c->all->admit(c->all->owner, head, n_body, true, &admission);
    if (admission.refusal.status != 0) {
        admission.refusal.is_head = span_is(head->method, "head");
        refuse(c, &admission.refusal);
        return false;
    }
    connection_hold(c, n_block);
    c->block = receive_block(NULL, n_block);
    c->block->bytes += n_room;
    c->length_at = NULL;
    write_head(c, head);
    c->n_body = n_body;
    c->n_got = 0;
    c->body_max_bytes = admission.body_max_bytes;
    c->wants_continue = head->expects_continue && head->minor > 0;
    memset(&c->chunks, 0, sizeof(c->chunks));
    c->head = *head;
    c->state = CONNECTION_BODY;
    return true;
}

/* Make room for n more bytes of a chunked body. false: the request was refused. */
static bool grow(struct connection *c, size_t n)
{
    h2o_buffer_t *block = c->block;
    size_t n_used = (size_t)(block->bytes - block->_buf) + block->size;
    size_t n_more, n_length_at;
    struct admission admission = {0};

    assert(c->head.is_chunked);
    assert(c->length_at != NULL);
    assert(n_used <= block->capacity);
    n_length_at = (size_t)(c->length_at - (char *)block);
    c->head.method = (struct span){block->bytes, c->head.method.n};
    c->head.target = (struct span){block->bytes + c->head.method.n + 1, c->head.target.n};
    if (c->n_body + n > c->body_max_bytes) {
        c->all->admit(c->all->owner, &c->head, c->n_body + n, false, &admission);
        refuse(c, &admission.refusal);
        return false;
    }
    if (block->capacity - n_used > n) /* room for n bytes, and for one after the body */
        return true;
    n_more = block->capacity > n + 1 ? block->capacity : n + 1;
    if (!connections_make_room(c->all, n_more, c)) {
        c->all->admit(c->all->owner, &c->head, c->n_body + n, true, &admission);
        refuse(c, &admission.refusal);
        return false;
    }
    connection_hold(c, n_more);
    c->block = receive_block(block, block->capacity + n_more);
    c->length_at = (char *)c->block + n_length_at;
    return true;
}

/* ---- bytes that were read ---- */

/* The functions use_...() process input and return how many bytes of text[0 .. n) they have
 * consumed. Once the request is refused or given to libh2o, c->state is no longer CONNECTION_HEAD
 * or CONNECTION_BODY. */

static size_t use_chunks(struct connection *c, const char *text, size_t n)
{
    size_t used = 0, n_used;
    struct span data;

    while (used < n) {
        enum framing found = chunks_read(&c->chunks, text + used, n - used, &n_used, &data);

        assert(n_used > 0);
        assert(n_used <= n - used);
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

    if (c->head.is_chunked)
        return use_chunks(c, text, n);
    assert(c->n_got <= c->n_body);
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

    assert(c->n_seen <= n);
    /* While a head is incomplete, it is parsed again after each further line, not after each
     * byte. */
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
    assert(head.n <= n);
    return begin(c, &head) ? head.n : n;
}

/* Process input until a whole request is given to libh2o. Returns how many bytes of text[0 .. n)
 * were consumed. */
static size_t use(struct connection *c, const char *text, size_t n)
{
    size_t used = 0;

    if (c->state == CONNECTION_IDLE && n > 0) {
        c->state = CONNECTION_HEAD;
        c->is_new = false;
        connection_open_window(c);
    }
    if (c->state == CONNECTION_HEAD)
        used = use_head(c, text, n);
    if (c->state == CONNECTION_BODY)
        used += use_body(c, text + used, n - used);
    assert(used <= n);
    return used;
}

/* Call when all input that has come is processed. If a request is still incomplete, answer
 * "Expect: 100-continue", and watch how fast the client sends the rest. */
static void expect_more(struct connection *c)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

    if (c->state == CONNECTION_BODY && c->wants_continue)
        (void)!send(h2o_socket_get_fd(c->sock), text, sizeof(text) - 1,
                    MSG_DONTWAIT | MSG_NOSIGNAL);
    c->wants_continue = false;
    if (c->state == CONNECTION_HEAD || c->state == CONNECTION_BODY)
        connection_watch_speed(c);
}

/* ---- input that belongs to no request yet ---- */

/* Drop input for which there is no memory, and which follows the request that is being handled.
 * Close the connection after the reply: its header Connection: close tells the client that the
 * input after the request was not read. */
static void cut(struct connection *c)
{
    assert(c->state != CONNECTION_HEAD);
    assert(!c->is_cut);
    connection_drop_raw(c);
    c->all->n_refused++;
    c->is_cut = true;
    /* In any state but BUSY the reply has begun: it is too late for Connection: close. */
    c->ends = c->ends || c->state == CONNECTION_BUSY;
    linger_later(c);
}

/* Append input to c->raw. false: there was no room, so that the request was refused, or cut() has
 * dropped the input. */
static bool keep(struct connection *c, const char *text, size_t n)
{
    uint64_t n_wanted = buf_len(&c->raw) + n;
    bool has_room = n_wanted <= RAW_FREE_BYTES || n_wanted <= c->n_raw_held ||
                    connections_make_room(c->all, n_wanted - c->n_raw_held, c);

    if (has_room)
        buf_add(&c->raw, text, n);
    else if (c->state == CONNECTION_HEAD)
        refuse(c, &(struct refusal){.status = 429, .retry = true, .text = NO_ROOM_TEXT});
    else
        cut(c);
    count_raw(c);
    return has_room;
}

/* Process the input that is kept in c->raw. */
static void use_raw(struct connection *c)
{
    size_t used = use(c, buf_at(&c->raw), buf_len(&c->raw));

    if (buf_len(&c->raw) > 0) /* a refusal empties it */
        buf_drop(&c->raw, used);
    if (buf_len(&c->raw) == 0)
        buf_reset(&c->raw, 0);
    count_raw(c);
}

static void take(struct connection *c, const char *text, size_t n)
{
    size_t used;

    if (buf_len(&c->raw) > 0) {
        if (keep(c, text, n))
            use_raw(c);
        return;
    }
    used = use(c, text, n);
    if (used < n)
        (void)keep(c, text + used, n - used);
}

void receive_rest(struct connection *c)
{
    assert(c->state == CONNECTION_IDLE);
    assert(!c->ends);
    if (buf_len(&c->raw) == 0) {
        if (c->input_waits)
            receive_on_readable(c->sock, NULL);
        return;
    }
    use_raw(c);
    expect_more(c);
}

/* Whether the rest of the request's body can be read straight into c->block. */
static bool is_direct(const struct connection *c)
{
    return c->state == CONNECTION_BODY && !c->head.is_chunked && buf_len(&c->raw) == 0;
}

/* Read once, and process the bytes. *wanted: how many were asked for. Returns how many were read;
 * -1: none now; 0: the client has left. */
static ssize_t read_once(struct connection *c, size_t *wanted)
{
    char *to = scratch;
    ssize_t n;

    *wanted = sizeof(scratch);
    if (is_direct(c)) {
        to = c->block->bytes + c->block->size;
        *wanted =
            c->n_body - c->n_got < READ_TURN_MAX ? (size_t)(c->n_body - c->n_got) : READ_TURN_MAX;
        assert(*wanted > 0);
        assert((size_t)(to - c->block->_buf) + *wanted <= c->block->capacity);
    }
    do
        n = read(h2o_socket_get_fd(c->sock), to, *wanted);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? -1 : 0;
    if (n > 0)
        connection_progress(c, (uint64_t)n);
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

/* Whether the client has closed its side of the connection, perhaps only for writing. */
static bool has_left(const struct connection *c)
{
    char byte;
    ssize_t n = recv(h2o_socket_get_fd(c->sock), &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

void receive_on_readable(h2o_socket_t *sock, const char *error)
{
    struct connection *c = sock->on_close.data;
    size_t n_turn = 0, wanted;
    ssize_t n;

    (void)error;
    c->input_waits = false;
    if ((c->state == CONNECTION_BUSY || c->state == CONNECTION_REPLYING) && c->left != NULL &&
        has_left(c)) {
        connection_left_fn *left = c->left;

        c->left = NULL;
        h2o_socket_read_stop(sock);
        left(c->left_owner);
        return;
    }
    /* Further input, or its end, is read after the reply, since it cannot change the request being
     * handled. */
    if (c->state == CONNECTION_BUSY || c->state == CONNECTION_CLOSING || c->is_cut ||
        (c->state == CONNECTION_REPLYING && (c->left == NULL || buf_len(&c->raw) > 0))) {
        c->input_waits = true;
        h2o_socket_read_stop(sock);
        return;
    }
    do {
        n = read_once(c, &wanted);
        if (n == 0 && c->state == CONNECTION_REPLYING) {
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
             (c->state == CONNECTION_HEAD || c->state == CONNECTION_BODY));
    expect_more(c);
}

#pragma once

/*
 * connections - all clients of one listener: their number, the memory held for them (base/held.h),
 * and which to drop when they are too many or too slow.
 */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/held.h"
#include "base/list.h"
#include "base/loop.h"
#include "http/framing.h"

struct connection;
struct st_h2o_buffer_t;
struct st_h2o_socket_t;

/* The reply to a request that is refused before its body is read. status 0: the request is not
 * refused. */
struct refusal {
    int status;
    bool is_head;      /* the method is HEAD */
    bool retry;        /* tell the client to try again (Retry-After) */
    const char *allow; /* allowed methods, for status 405; NULL: another status */
    char text[160];
};

#define NO_ROOM_TEXT                                                                               \
    "Other clients' bodies and answers fill the memory (--held-max-bytes); try again."

/* The decision about a request: to admit it with at most body_max_bytes of body, or to refuse
 * it. */
struct admission {
    uint64_t body_max_bytes;
    struct refusal refusal;
};

/* Decides about a request when its head has come. n_body: the stated length of the body; 0 for a
 * chunked body. Called a second time if there is no memory for the body (no_room is set), or if a
 * chunked body exceeds its bound. n_body is then the length of a chunked body so far. */
typedef void connection_admit_fn(void *owner, const struct head *head, uint64_t n_body,
                                 bool no_room, struct admission *admission);

enum drop {
    DROP_IDLE,   /* idle or slow, and another client needed its descriptor */
    DROP_SLOW,   /* sent or took too little within --transfer-timeout */
    DROP_MEMORY, /* slow, and another client needed its memory */
    DROP_END,    /* slow, and the proxy is shutting down */
    N_DROPS
};

const char *drop_name(enum drop drop);

struct connections {
    struct loop *loop; /* borrowed */
    struct held *held; /* borrowed */
    unsigned max;
    uint64_t transfer_ms;
    connection_admit_fn *admit;
    void *owner;
    struct list all; /* all connections, the longest idle first */
    unsigned n;
    unsigned n_requests; /* requests whose clients have not taken the whole reply */
    bool is_ending; /* close each connection after its reply, unless its client has sent more */
    struct loop_timer sweep; /* next scan for slow clients; set while we wait for a client to act */
    struct list lingering;   /* struct lingering: sockets to read empty before we close them */
    unsigned n_lingering;
    uint64_t n_refused; /* requests not read to their end: refused, or their input dropped */
    uint64_t n_dropped[N_DROPS];
};

/* Set the members from `loop` to `owner` before this call. */
void connections_init(struct connections *all);
/* Close all connections except those whose request libh2o is still handling. */
void connections_close(struct connections *all);
/* Drop the connection that has been idle longest, else a slow one. false: there is none, or its
 * descriptor is closed later. */
bool connections_drop_idle(struct connections *all);
/* Make room for one more connection, if necessary by dropping one. false: there is no room now. */
bool connections_have_room(struct connections *all);
/* Make room for n more bytes by dropping slow clients. asks: the connection that needs the room,
 * and is not dropped; NULL: none. false: there is not enough room. */
bool connections_make_room(struct connections *all, uint64_t n, const struct connection *asks);
/* Drop clients that have taken hardly any of their reply in the last `ms` milliseconds, but not
 * those that have taken all that was sent so far. */
void connections_drop_slow(struct connections *all, uint64_t ms);
/* Take over a socket: read and drop its input for a while, then close it. */
void connections_linger(struct connections *all, int fd);
bool connections_may_linger(const struct connections *all);

#define BODY_ROOM 1024 /* writable bytes before a body, see struct body */

enum connection_state {
    CONNECTION_IDLE, /* no byte of a request has come */
    CONNECTION_HEAD,
    CONNECTION_BODY,
    CONNECTION_BUSY,     /* the handler has the request and has not replied */
    CONNECTION_REPLYING, /* libh2o writes the reply */
    CONNECTION_CLOSING,  /* dropped while replying: libh2o will close it */
};

typedef void connection_feed_fn(struct st_h2o_socket_t *sock, const char *error);
typedef void connection_left_fn(void *owner);

struct connection {
    struct list node;
    struct connections *all;      /* borrowed */
    struct st_h2o_socket_t *sock; /* owned by libh2o */
    connection_feed_fn *feed;     /* libh2o's callback for input */
    enum connection_state state;
    bool is_new;         /* no byte has come since the connection was accepted */
    bool gives;          /* set while feed() gets a request, whose bytes `raw` may still hold */
    bool has_rest;       /* valid while `gives` is set: more input has come after the request */
    bool waits;          /* valid while replying: the client has taken all pieces sent so far */
    struct buf raw;      /* input that belongs to no request yet */
    size_t n_seen;       /* bytes of `raw` that have been searched for the end of a line */
    uint64_t n_raw_held; /* bytes counted in all->held for `raw` */
    struct st_h2o_buffer_t *block; /* owned; head and body of the request that is being received */
    /* We replace a chunked coding by a Content-Length. This points to its digits in `block`, which
     * are written when the whole body has come. NULL: the body is not chunked. */
    char *length_at;
    uint64_t n_body; /* length of the body: the stated one; of a chunked body, the bytes so far */
    uint64_t n_got;
    uint64_t body_max_bytes;
    bool wants_continue;
    bool input_waits; /* the socket has unread input, which we read after the reply */
    bool ends;        /* close the connection after the reply */
    bool is_cut;      /* input after the request is ignored; close after the reply */
    struct chunks chunks;
    struct head head; /* of the request being received; its spans may point to text that is gone */
    uint64_t n_held;  /* bytes counted in all->held for the request and its reply */
    struct refusal refusal;
    int linger_fd; /* duplicate of the socket, to read from when libh2o has closed it; -1: none */
    connection_left_fn *left; /* called when the client leaves; NULL: none */
    void *left_owner;
    struct loop_post resume;
    uint64_t window_at_ms; /* when we began to count window_bytes, sent or taken by the client */
    uint64_t window_bytes;
};

static inline void connection_hold(struct connection *c, uint64_t n)
{
    held_add(c->all->held, n);
    c->n_held += n;
}

/* Stop counting memory for the connection's request and reply. */
static inline void connection_release(struct connection *c)
{
    assert(c->n_held <= c->all->held->bytes);
    held_drop(c->all->held, c->n_held);
    c->n_held = 0;
}

/* Drop input that belongs to no request yet. */
static inline void connection_drop_raw(struct connection *c)
{
    assert(c->n_raw_held <= c->all->held->bytes);
    buf_done(&c->raw);
    held_drop(c->all->held, c->n_raw_held);
    c->n_raw_held = 0;
}

/* Call when the client has sent or taken n bytes. */
void connection_progress(struct connection *c, uint64_t n);
/* Begin to measure anew how many bytes the client sends or takes. */
void connection_open_window(struct connection *c);
/* Call when we begin to wait for the client: it is dropped if it becomes slow. */
void connection_watch_speed(struct connection *c);
/* Close the connection. It is freed at once or, while it is replying, in the event loop's next
 * turn. */
void connection_drop(struct connection *c, enum drop why);

#pragma once

/*
 * connections - the clients of one listener: how many they are, what is held for them
 * (base/held.h), and who is dropped when that is too much or takes too long.
 *
 * The fields of a connection belong to receive.c and connection.c; others call connection.h.
 */

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

/* Why a request is refused before its body is read; status 0: it is not. */
struct refusal {
    int status;
    bool is_head;      /* the method is HEAD */
    bool retry;        /* it may be tried again */
    const char *allow; /* the methods that the path takes; NULL: that is not why */
    char text[160];
};

#define NO_ROOM_TEXT                                                                               \
    "Other clients' bodies and answers fill the memory (--held-max-bytes); try again."

/* What may become of a request whose head has come. */
struct admission {
    uint64_t body_max_bytes;
    struct refusal refusal;
};

/* Called for each head, with the body's length as stated; for a chunked one with 0, and again with
 * the length that has come when that passes the limit. no_room: it is refused for want of room. */
typedef void connection_admit_fn(void *owner, const struct head *head, uint64_t n_body,
                                 bool no_room, struct admission *admission);

enum drop {
    DROP_IDLE,   /* idle or slow, and another client needed its descriptor */
    DROP_SLOW,   /* sent or took too little in --transfer-timeout */
    DROP_MEMORY, /* slow, and another client needed its memory */
    DROP_END,    /* slow, and the proxy ends */
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
    struct list all; /* the one that has been idle longest first */
    unsigned n;
    struct loop_timer sweep; /* looks for clients that are slow; set while one may be */
    struct list lingering;   /* refused ones whose client may still be sending */
    unsigned n_lingering;
    uint64_t n_refused; /* requests, before their body */
    uint64_t n_dropped[N_DROPS];
};

/* loop to owner: set by the caller. */
void connections_init(struct connections *all);
/* Close all; those that libh2o has a reply for are gone in the next turn. */
void connections_close(struct connections *all);
/* Make room for one connection more; false: there is none now. */
bool connections_have_room(struct connections *all);
/* Make room for n bytes more, by dropping clients that are slow, but not the one that asks (NULL:
 * nobody). false: there is none. */
bool connections_make_room(struct connections *all, uint64_t n, const struct connection *asks);
/* Drop the clients that have taken hardly any of their reply in the last ms. */
void connections_drop_slow(struct connections *all, uint64_t ms);
/* Read and drop what still comes on a socket, owned from now on, before it is closed. */
void connections_linger(struct connections *all, int fd);
bool connections_may_linger(const struct connections *all);

#define BODY_ROOM 1024 /* before a body, for those who take it over: struct body */

enum connection_state {
    CONNECTION_IDLE, /* no byte of a request has come */
    CONNECTION_HEAD,
    CONNECTION_BODY,
    CONNECTION_BUSY,     /* libh2o has a request, its handler has not replied */
    CONNECTION_REPLYING, /* libh2o writes the reply */
    CONNECTION_CLOSING,  /* was dropped while replying */
};

typedef void connection_feed_fn(struct st_h2o_socket_t *sock, const char *error);
typedef void connection_left_fn(void *owner);

struct connection {
    struct list node;
    struct connections *all;      /* borrowed */
    struct st_h2o_socket_t *sock; /* libh2o's own */
    connection_feed_fn *feed;     /* libh2o's, for input */
    enum connection_state state;
    bool gives;          /* inside give(): `raw` may still hold what the request is made of */
    bool has_rest;       /* then: something is behind it */
    bool waits;          /* replying: the client has taken all that is there yet */
    struct buf raw;      /* read, and not of a request that libh2o or `block` has */
    size_t n_seen;       /* bytes of it in which no line end is left unread */
    uint64_t n_raw_held; /* counted in all->held for it */
    struct st_h2o_buffer_t *block; /* owned; head and body of the request that comes */
    char *length_at;               /* in it: where the length of a chunked body is to stand */
    uint64_t n_body;               /* of the body: as stated, or come so far when it is chunked */
    uint64_t n_got;
    uint64_t body_max_bytes;
    bool is_chunked;
    bool wants_continue;
    bool ends;   /* closed after the reply */
    bool is_cut; /* nothing behind the request counts: closed when that has gone */
    struct chunks chunks;
    struct head head; /* its method and target: of the body that comes, in `block` */
    uint64_t n_held;  /* counted in all->held for the request and its reply */
    struct refusal refusal;
    int linger_fd;            /* of the same socket, kept beyond its close; -1: none */
    connection_left_fn *left; /* NULL: nobody asks */
    void *left_owner;
    struct loop_post resume;
    uint64_t window_at_ms; /* since then less than SLOW_BYTES were sent or taken */
    uint64_t window_bytes;
};

static inline void connection_hold(struct connection *c, uint64_t n)
{
    held_add(c->all->held, n);
    c->n_held += n;
}

/* Nothing is held any more for its request and its reply. */
static inline void connection_release(struct connection *c)
{
    held_drop(c->all->held, c->n_held);
    c->n_held = 0;
}

/* Drop what was read and is not of a request yet. */
static inline void connection_drop_raw(struct connection *c)
{
    buf_done(&c->raw);
    held_drop(c->all->held, c->n_raw_held);
    c->n_raw_held = 0;
}

/* n bytes were sent or taken. */
void connection_progress(struct connection *c, uint64_t n);
/* From now on the client has its time to send or take something. */
void connection_open_window(struct connection *c);
/* It is the client's turn: if it is slow it is dropped. */
void connection_watch_speed(struct connection *c);
/* The connection is gone afterwards, or, while it is replying, in the next turn. */
void connection_drop(struct connection *c, enum drop why);

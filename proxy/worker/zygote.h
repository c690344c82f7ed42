#pragma once

/*
 * zygote - a launcher that has loaded the action and serves nobody: workers are made of it by
 * fork. They share the memory of all that was loaded, and a dead one is replaced without loading.
 *
 * Its descriptor 0 is a socket, over which it is sent the pipes of each worker and says who has
 * them; runtime/README.md, Fork. It makes one worker at a time. What it made is a child of ours,
 * since we are the subreaper, and lives on when the zygote dies; that is started again for the
 * next worker.
 *
 * Where the runtime or the code does not allow it, or when it dies again and again, the zygote
 * says so once in our log, ends, and takes no order any more. A first load that fails is the failed
 * start of each worker that waits for it.
 */

#include <stdbool.h>

#include "base/line.h"
#include "base/list.h"
#include "base/loop.h"
#include "worker/spawn.h"
#include "worker/worker.h"

struct zygote_order;

/*
 * Always from the loop; the order is the caller's again.
 * spawned   the worker that was made, with its pipes, which are the caller's; else NULL
 * err       why its start failed; NULL with spawned == NULL: it is to be started the ordinary way
 */
typedef void zygote_made_fn(struct zygote_order *order, const struct spawned *spawned,
                            const struct err *err);

/* For one worker. */
struct zygote_order {
    struct list node; /* in the zygote's list while it waits */
    zygote_made_fn *made;
};

struct zygote {
    struct loop *loop;     /* borrowed */
    struct exec_spec spec; /* owned */
    struct buf greeting;   /* owned: what each process of it must hear first */
    struct worker worker;  /* the process; it never gets a job */
    struct list orders;    /* oldest first */
    struct spawned begun;  /* our ends for the oldest order while it is with the process; in == -1:
                             none is */
    struct loop_watch socket; /* descriptor 0 of the process: it speaks there, too */
    struct line said;         /* what came over the socket, not understood yet */
    struct loop_post next;    /* posted when an order may begin */
    struct loop_timer late;   /* the order under way */
    bool forks;               /* the process said that it can */
    bool loaded;              /* a process could load the action, so that it can be loaded */
    unsigned n_vain;          /* processes in a row that have made no worker */
    bool given_up;            /* no order is taken any more */
};

void zygote_order_init(struct zygote_order *order, zygote_made_fn *made);
static inline bool zygote_order_waits(const struct zygote_order *order)
{
    return !list_empty(&order->node);
}

/* spec (with a socket as descriptor 0), greeting: taken over. out, err: our own streams. */
struct zygote *zygote_new(struct loop *loop, struct exec_spec *spec, struct buf *greeting,
                          const struct worker_opts *opts, struct output *out, struct output *err);
/* Kills what still runs; orders that wait are forgotten. */
void zygote_free(struct zygote **zygote);

/* waiting: a launcher that was started with `spec` already, taken over. NULL: start one. */
void zygote_start(struct zygote *zygote, const struct spawned *waiting);
/* `made` follows, unless zygote_stop() comes first. false: it takes none, start it yourself. */
bool zygote_take_order(struct zygote *zygote, struct zygote_order *order);
/* End it and forget the orders. */
void zygote_stop(struct zygote *zygote);
/* Whether its process is still there. */
bool zygote_is_there(const struct zygote *zygote);

#pragma once

/*
 * zygote - a launcher that has loaded the action and takes no activations: workers are forked from
 * it. They share its memory, and a dead worker is replaced without loading the action again.
 *
 * Descriptor 0 of the zygote is a socket. Over it the zygote receives the pipes of one worker at a
 * time and replies with the pid of that worker (runtime/README.md, Fork). Workers become our
 * children, since we are the subreaper. They outlive a zygote that ends; it is restarted when the
 * next worker is ordered.
 *
 * If the runtime or the code cannot fork, or the zygote dies repeatedly, that is logged once, the
 * zygote is ended, and workers can no longer be forked from it. If the first load of the action
 * fails, the starts of all workers that wait for it fail, too.
 */

#include <stdbool.h>

#include "base/line.h"
#include "base/list.h"
#include "base/loop.h"
#include "worker/spawn.h"
#include "worker/worker.h"

struct zygote_order;

/*
 * Called from the loop when an order is done; the order may be used again.
 * spawned   the new worker and its pipes, which this function takes over; NULL: there is none
 * err       why there is no worker. If both are NULL: start the worker without a zygote
 */
typedef void zygote_made_fn(struct zygote_order *order, const struct spawned *spawned,
                            const struct err *err);

/* An order for one worker. */
struct zygote_order {
    struct list node; /* in zygote.orders while the order waits */
    zygote_made_fn *made;
};

struct zygote {
    struct loop *loop;     /* borrowed */
    struct exec_spec spec; /* owned */
    struct buf greeting;   /* owned: what each zygote process must read first */
    struct worker worker;  /* the process; it never gets a job */
    struct list orders;    /* struct zygote_order that are not done, the oldest first */
    struct spawned begun;  /* our ends of the pipes for the order that was sent; in == -1: none */
    struct loop_watch socket; /* our end of descriptor 0 of the process, for both directions */
    struct line said;         /* bytes from the socket that are no whole line yet */
    struct loop_post next;    /* posted when the next order may be sent */
    struct loop_timer late;   /* set while an order is under way: on_late() checks the process */
    uint64_t late_at_ms;      /* loop time by which the ordered worker must have been made */
    bool forks;               /* the process said that it can fork */
    bool loaded;              /* a process of the zygote has loaded the action once */
    unsigned n_starts;        /* starts in a row, failed ones too, that made no worker */
    bool given_up;            /* no more orders are taken */
};

void zygote_order_init(struct zygote_order *order, zygote_made_fn *made);
static inline bool zygote_order_waits(const struct zygote_order *order)
{
    return !list_empty(&order->node);
}

/* spec, which must ask for a socket as descriptor 0, and greeting are taken over. out, err: our own
 * stdout and stderr, borrowed. */
struct zygote *zygote_new(struct loop *loop, struct exec_spec *spec, struct buf *greeting,
                          const struct worker_opts *opts, struct output *out, struct output *err);
/* Kills the process and forgets the orders that wait, without calling `made`. */
void zygote_free(struct zygote **zygote);

/* Start the process. waiting: a launcher that was started with `spec` already and becomes the
 * zygote, taken over; NULL: none. */
void zygote_start(struct zygote *zygote, const struct spawned *waiting);
/* Order a worker. order->made is called later, unless zygote_stop() comes first. false: no orders
 * are taken, so start the worker without the zygote. */
bool zygote_take_order(struct zygote *zygote, struct zygote_order *order);
/* End the process and forget the orders, without calling `made`. */
void zygote_stop(struct zygote *zygote);
/* Whether the zygote's process still exists. */
bool zygote_is_there(const struct zygote *zygote);

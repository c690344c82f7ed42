#pragma once

/*
 * events - tell the open web pages what happens, as server-sent events: a bounded history that
 * every subscriber, an open page, reads at its own pace.
 *
 * An event contains one or more items, such as log lines. A subscriber has no queue of its own. If
 * events are dropped before it has read them, it is told how many items were in them, and goes on
 * with the oldest event kept. Nothing waits for a slow subscriber.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/loop.h"

struct request;

#define EVENTS_MAX       4096       /* most events kept */
#define EVENTS_MAX_BYTES (2u << 20) /* most bytes of data in the events kept */
/* Most streams at a time. One more ends the oldest stream, and its page then reconnects. */
#define EVENTS_SUBSCRIBERS_MAX 32
#define EVENTS_PING_MS         10000 /* time between pings, which detect subscribers that left */

struct event {
    const char *name; /* a string constant */
    char *data;       /* owned; one line of JSON */
    size_t n;
    uint64_t weight_before; /* number of items, such as log lines, in all earlier events */
};

/* Invariant: the events first_id .. next_id - 1 are kept, event `id` in kept[id % EVENTS_MAX]. */
struct events {
    struct loop *loop; /* borrowed */
    struct event kept[EVENTS_MAX];
    uint64_t first_id;
    uint64_t next_id;
    uint64_t start_id; /* id of the first event since this proxy was started */
    uint64_t weight;   /* number of items, such as log lines, in all events since start_id */
    size_t n_bytes;
    struct list subscribers; /* oldest first */
    unsigned n_subscribers;
    struct loop_post pump;
    struct loop_timer ping;
};

/* Event ids start from the clock, so that each run of the program has higher ids than the
 * run before it. */
void events_init(struct events *events, struct loop *loop);
void events_done(struct events *events);
/* name: a string constant. data[0 .. n): one line of JSON. weight: number of items in data, such as
 * log lines. */
void events_add(struct events *events, const char *name, const char *data, size_t n,
                uint64_t weight);
/* Reply with the stream of events. last_id: the client's Last-Event-ID, or "". state[0 .. n_state):
 * JSON data of the first event, which is named "state". */
void events_subscribe(struct events *events, struct request *request, const char *last_id,
                      const char *state, size_t n_state);
/* End all streams. */
void events_close(struct events *events);

#pragma once

/*
 * events - tell the pages what happens, as server-sent events: a bounded history that every
 * subscriber reads at its own pace.
 *
 * There is no other queue for a subscriber. One that has not read events before they are dropped is
 * told how many lines and other facts it missed, and goes on at the oldest event kept; nobody waits
 * for it.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/loop.h"

struct request;

#define EVENTS_MAX             4096       /* events kept */
#define EVENTS_MAX_BYTES       (2u << 20) /* bytes of all events kept */
#define EVENTS_SUBSCRIBERS_MAX 32         /* one more ends the oldest, whose page then reconnects */
#define EVENTS_PING_MS         10000      /* between pings, which find out who has left */

struct event {
    const char *name; /* a string constant */
    char *data;       /* owned; one line of JSON */
    size_t n;
    uint64_t weight_before; /* lines and other facts in all events before this one */
};

/* Invariant: the events first_id .. next_id - 1 are kept, event `id` in kept[id % EVENTS_MAX]. */
struct events {
    struct loop *loop; /* borrowed */
    struct event *kept;
    uint64_t first_id;
    uint64_t next_id;
    uint64_t start_id; /* id of the first event ever */
    uint64_t weight;   /* number of lines and other facts in all events ever */
    size_t n_bytes;
    struct list subscribers; /* oldest first */
    unsigned n_subscribers;
    struct loop_post pump;
    struct loop_timer ping;
};

/* Ids start from the clock, so that they go up across runs of the program. */
void events_init(struct events *events, struct loop *loop);
void events_done(struct events *events);
/* name: a string constant. data[0 .. n): one line of JSON. weight: lines or other facts in it. */
void events_add(struct events *events, const char *name, const char *data, size_t n,
                uint64_t weight);
/* Reply with the stream of events. last_id: "" or the client's Last-Event-ID. state: JSON of the
 * first event. */
void events_subscribe(struct events *events, struct request *request, const char *last_id,
                      const char *state, size_t n_state);
/* End all streams. */
void events_close(struct events *events);

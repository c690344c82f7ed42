#include "dev/events.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "dev/text.h"
#include "http/request.h"

#define PIECE_BYTES (256u << 10) /* a piece to be sent takes no more events once it is this long */

struct subscriber {
    struct list node;
    struct events *events;   /* borrowed */
    struct request *request; /* borrowed; its reply is the stream of events */
    bool is_full;            /* a piece of the stream is being sent; on_room() clears this */
    bool is_ending;          /* end the stream once that piece has been sent */
    struct buf out;          /* the next piece */
    uint64_t next_id;        /* id of the first event that is not in a piece yet */
    uint64_t began_id;       /* id of the first event added after the subscription */
    uint64_t weight_seen;    /* number of items, such as log lines, before next_id */
};

static struct event *event_at(struct events *events, uint64_t id)
{
    assert(id >= events->first_id && id < events->next_id);
    return &events->kept[id % EVENTS_MAX];
}

/* The number of items, such as log lines, in all events before `id`. id: that of a kept event, or
 * events->next_id. */
static uint64_t weight_before(struct events *events, uint64_t id)
{
    return id < events->next_id ? event_at(events, id)->weight_before : events->weight;
}

static void write_event(struct buf *out, uint64_t id, const char *name, const char *data, size_t n)
{
    text_add(out, "id: %" PRIu64 "\nevent: %s\ndata: ", id, name);
    buf_add(out, data, n);
    buf_add_text(out, "\n\n");
}

static void drop(struct subscriber *sub)
{
    assert(sub->events->n_subscribers > 0);
    list_remove(&sub->node);
    sub->events->n_subscribers--;
    buf_done(&sub->out);
    free(sub);
}

static void send_out(struct subscriber *sub)
{
    assert(!sub->is_full);
    sub->is_full = true;
    request_send(sub->request, &sub->out, false);
}

static void end(struct subscriber *sub)
{
    if (sub->is_full) {
        sub->is_ending = true;
        return;
    }
    buf_add_text(&sub->out, ": end\n\n");
    request_send(sub->request, &sub->out, true);
    drop(sub);
}

/* Send events that the subscriber has not got yet, at most one piece of about PIECE_BYTES. */
static void pump(struct subscriber *sub)
{
    struct events *events = sub->events;
    char dropped[48];

    if (sub->is_full)
        return;
    assert(!sub->is_ending);
    if (sub->next_id < events->first_id) {
        uint64_t weight = weight_before(events, events->first_id) - sub->weight_seen;
        int n = snprintf(dropped, sizeof(dropped), "{\"count\":%" PRIu64 "}", weight);

        write_event(&sub->out, events->first_id - 1, "dropped", dropped, (size_t)n);
        sub->next_id = events->first_id;
    }
    while (sub->next_id < events->next_id && buf_len(&sub->out) < PIECE_BYTES) {
        const struct event *event = event_at(events, sub->next_id);

        /* Skip state events from before the subscription: the stream began with a newer state. */
        if (sub->next_id >= sub->began_id || strcmp(event->name, "state") != 0)
            write_event(&sub->out, sub->next_id, event->name, event->data, event->n);
        sub->next_id++;
    }
    assert(sub->next_id <= events->next_id);
    sub->weight_seen = weight_before(events, sub->next_id);
    assert(sub->weight_seen <= events->weight);
    if (buf_len(&sub->out) > 0)
        send_out(sub);
}

static void on_room(void *owner)
{
    struct subscriber *sub = owner;

    assert(sub->is_full);
    sub->is_full = false;
    if (sub->is_ending)
        end(sub);
    else
        pump(sub);
}

static void on_gone(void *owner)
{
    drop(owner);
}

static const struct request_watcher watcher = {.room = on_room, .gone = on_gone};

static void on_pump(struct loop_post *post)
{
    struct events *events = container_of(post, struct events, pump);

    list_each(node, &events->subscribers)
        pump(list_item(node, struct subscriber, node));
}

static void on_ping(struct loop_timer *timer)
{
    struct events *events = container_of(timer, struct events, ping);

    list_each(node, &events->subscribers) {
        struct subscriber *sub = list_item(node, struct subscriber, node);

        if (sub->is_full)
            continue;
        buf_add_text(&sub->out, ": ping\n\n");
        send_out(sub);
    }
    loop_timer_set(events->loop, timer, loop_now_ms(events->loop) + EVENTS_PING_MS);
}

/* ---- public functions ---- */

void events_init(struct events *events, struct loop *loop)
{
    memset(events, 0, sizeof(*events));
    events->loop = loop;
    events->start_id = events->first_id = events->next_id = text_now_ms() * 1000;
    list_init(&events->subscribers);
    loop_post_init(&events->pump, on_pump);
    loop_timer_init(&events->ping, on_ping);
    loop_timer_set(loop, &events->ping, loop_now_ms(loop) + EVENTS_PING_MS);
}

static void drop_oldest(struct events *events)
{
    struct event *event = event_at(events, events->first_id);

    assert(events->n_bytes >= event->n);
    events->n_bytes -= event->n;
    free(TAKE(event->data));
    events->first_id++;
}

void events_done(struct events *events)
{
    struct list *node;

    /* Only free our records of subscribers: their connections stay open until the process ends. */
    while ((node = list_take_first(&events->subscribers)) != NULL)
        drop(list_item(node, struct subscriber, node));
    while (events->first_id < events->next_id)
        drop_oldest(events);
    assert(events->n_subscribers == 0);
    assert(events->n_bytes == 0);
    loop_post_cancel(&events->pump);
    loop_timer_clear(&events->ping);
}

void events_add(struct events *events, const char *name, const char *data, size_t n,
                uint64_t weight)
{
    struct event *event;

    assert(memchr(data, '\n', n) == NULL);
    while (events->first_id < events->next_id &&
           (events->next_id - events->first_id >= EVENTS_MAX ||
            events->n_bytes + n > EVENTS_MAX_BYTES))
        drop_oldest(events);
    event = &events->kept[events->next_id % EVENTS_MAX];
    assert(event->data == NULL);
    *event = (struct event){name, xmalloc(n), n, events->weight};
    memcpy(event->data, data, n);
    events->n_bytes += n;
    events->next_id++;
    events->weight += weight;
    loop_post(events->loop, &events->pump);
}

/* Set where a subscriber begins: after the event last_id, or at the oldest event kept if last_id is
 * "" or comes from another run of the program. */
static void set_position(struct subscriber *sub, const char *last_id)
{
    struct events *events = sub->events;
    char *end;
    uint64_t id = strtoull(last_id, &end, 10);

    if (last_id[0] == '\0' || *end != '\0' || id < events->start_id || id >= events->next_id)
        sub->next_id = events->first_id;
    else
        sub->next_id = id + 1;
    assert(sub->next_id <= events->next_id);
    if (sub->next_id >= events->first_id) {
        sub->weight_seen = weight_before(events, sub->next_id);
    } else { /* the number of items in dropped events is not known: assume one for each event */
        uint64_t before = weight_before(events, events->first_id);
        uint64_t n_missed = events->first_id - sub->next_id;

        sub->weight_seen = before > n_missed ? before - n_missed : 0;
    }
}

void events_subscribe(struct events *events, struct request *request, const char *last_id,
                      const char *state, size_t n_state)
{
    struct subscriber *sub;

    if (events->n_subscribers >= EVENTS_SUBSCRIBERS_MAX)
        end(list_item(events->subscribers.next, struct subscriber, node));
    if (!request_stream(request, 200, "text/event-stream"))
        return;
    sub = xcalloc(1, sizeof(*sub));
    sub->events = events;
    sub->request = request;
    sub->began_id = events->next_id;
    request_watch(request, &watcher, sub);
    list_add_tail(&events->subscribers, &sub->node);
    events->n_subscribers++;
    set_position(sub, last_id);
    buf_add_text(&sub->out, "retry: 500\n");
    write_event(&sub->out, sub->next_id - 1, "state", state, n_state);
    pump(sub);
}

void events_close(struct events *events)
{
    struct list *node = events->subscribers.next;

    while (node != &events->subscribers) {
        struct subscriber *sub = list_item(node, struct subscriber, node);

        node = node->next;
        end(sub);
    }
}

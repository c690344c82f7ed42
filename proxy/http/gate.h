#pragma once

/*
 * gate - holds requests while what they need is being started, then gives them to their handlers in
 * the order in which they came. It knows neither the handlers nor what is awaited.
 */

#include <stdbool.h>

#include "base/list.h"

struct request;

typedef void gate_handler_fn(void *owner, struct request *request);

enum gate_pass {
    GATE_OPEN, /* go on */
    GATE_HELD, /* the handler is called again, later */
    GATE_FULL, /* closed, and it holds as many as it may: refuse the request */
};

struct gate {
    bool closed;
    unsigned n_held;
    unsigned n_max;
    struct list held; /* struct held, oldest first */
};

/* Open. n_max: requests that it holds at most. */
void gate_init(struct gate *gate, unsigned n_max);
/* Hold what comes from now on. */
void gate_close(struct gate *gate);
/* Open it and call the handler of each request that it held. From the loop only. */
void gate_open(struct gate *gate);

/* For the first line of a handler. owner, request: given to `handler` if the request is held. */
enum gate_pass gate_pass(struct gate *gate, struct request *request, gate_handler_fn *handler,
                         void *owner);
/* How many of those held are for this handler. */
unsigned gate_n_held(const struct gate *gate, gate_handler_fn *handler);

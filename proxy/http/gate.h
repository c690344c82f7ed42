#pragma once

/*
 * gate - hold requests while something they need is started, then pass them to their handlers in
 * order of arrival. The gate knows neither the handlers nor what the requests wait for.
 */

#include <stdbool.h>

#include "base/list.h"

struct request;

typedef void gate_handler_fn(void *owner, struct request *request);

enum gate_pass {
    GATE_OPEN, /* not closed: handle the request now */
    GATE_HELD, /* the handler will be called again with the request */
    GATE_FULL, /* closed and full: refuse the request */
};

struct gate {
    bool closed;
    unsigned n_held;
    unsigned n_max;
    struct list held; /* struct held, oldest first */
};

/* The gate is open at first. n_max: most requests to hold. */
void gate_init(struct gate *gate, unsigned n_max);
/* Hold the requests that come from now on. */
void gate_close(struct gate *gate);
/* Open the gate and call the handlers of the held requests. Call this only from the event loop. */
void gate_open(struct gate *gate);

/* Call first in a handler. A held request is passed to `handler` when the gate opens. */
enum gate_pass gate_pass(struct gate *gate, struct request *request, gate_handler_fn *handler,
                         void *owner);
/* Number of held requests for this handler. */
unsigned gate_n_held(const struct gate *gate, gate_handler_fn *handler);

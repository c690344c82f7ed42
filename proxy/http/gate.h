#pragma once

/*
 * gate - hold requests while the action that they need is being started, then pass them to their
 * handlers in order of arrival.
 */

#include <stdbool.h>

#include "base/list.h"

struct request;

typedef void gate_handler_fn(void *owner, struct request *request);

enum gate_pass {
    GATE_OPEN, /* the gate is open: handle the request now */
    GATE_HELD, /* do nothing: the handler will be called again with this request */
    GATE_FULL, /* the gate is closed and holds n_max requests: refuse this one */
};

struct gate {
    bool closed;
    unsigned n_held;
    unsigned n_max;
    struct list held; /* struct held, oldest first */
};

/* Make an open gate. n_max: the number of requests that it can hold. */
void gate_init(struct gate *gate, unsigned n_max);
/* Hold the requests that come from now on. */
void gate_close(struct gate *gate);
/* Open the gate and call the handlers of the held requests. Call this only from the event loop. */
void gate_open(struct gate *gate);

/* Call first in a handler. If the request is held, handler(owner, request) is called when the gate
 * opens. */
enum gate_pass gate_pass(struct gate *gate, struct request *request, gate_handler_fn *handler,
                         void *owner);
/* Number of held requests for this handler. */
unsigned gate_n_held(const struct gate *gate, gate_handler_fn *handler);

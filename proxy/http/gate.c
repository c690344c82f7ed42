#include "http/gate.h"

#include <assert.h>
#include <stdlib.h>

#include "base/util.h"

struct held {
    struct list node;
    struct request *request; /* valid until the reply, even if the client has left */
    gate_handler_fn *handler;
    void *owner; /* borrowed */
};

void gate_init(struct gate *gate, unsigned n_max)
{
    *gate = (struct gate){.n_max = n_max};
    list_init(&gate->held);
}

void gate_close(struct gate *gate)
{
    assert(!gate->closed);
    assert(gate->n_held == 0);
    gate->closed = true;
}

void gate_open(struct gate *gate)
{
    struct list *node;

    gate->closed = false;
    while ((node = list_take_first(&gate->held)) != NULL) {
        struct held *held = list_item(node, struct held, node);

        assert(gate->n_held > 0);
        gate->n_held--;
        held->handler(held->owner, held->request);
        free(held);
    }
    assert(gate->n_held == 0);
}

enum gate_pass gate_pass(struct gate *gate, struct request *request, gate_handler_fn *handler,
                         void *owner)
{
    struct held *held;

    if (!gate->closed)
        return GATE_OPEN;
    if (gate->n_held >= gate->n_max)
        return GATE_FULL;
    held = xcalloc(1, sizeof(*held));
    held->request = request;
    held->handler = handler;
    held->owner = owner;
    list_add_tail(&gate->held, &held->node);
    gate->n_held++;
    return GATE_HELD;
}

unsigned gate_n_held(const struct gate *gate, gate_handler_fn *handler)
{
    unsigned n = 0;

    list_each(node, &gate->held)
        n += list_item(node, struct held, node)->handler == handler;
    return n;
}

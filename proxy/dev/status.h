#pragma once

/*
 * status - GET /dev/state: the action that is developed, and its state.
 */

#include <stdint.h>

struct buf;
struct loader;

struct status {
    const struct loader *loader; /* borrowed */
    char instance[48];           /* differs from run to run */
    uint64_t timeout_ms;         /* time limit of an activation; 0: none */
};

/* Append a JSON object, one line. */
void status_write(const struct status *status, struct buf *out);

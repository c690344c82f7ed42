#pragma once

/*
 * status - what GET /dev/state tells: the action that is being developed, and its state.
 */

#include <stdint.h>

struct buf;
struct loader;

struct status {
    const struct loader *loader; /* borrowed */
    char instance[48];           /* identifies this run of the program */
    uint64_t timeout_ms;         /* time limit of an activation; 0: none */
};

/* Append the status as a JSON object, in one line. */
void status_write(const struct status *status, struct buf *out);

#pragma once

/*
 * ready - parse the line by which a launcher reports that it is ready and announces what it can do.
 * No descriptor is read here. Source: runtime/README.md; openwhisk-contract, section 2.2.
 */

#include <stdbool.h>
#include <stddef.h>

struct err;

struct ready {
    unsigned pipeline;   /* most lines that may wait for answers at a time; 0: not announced */
    unsigned concurrent; /* lines that are worked on at once, with request ids; 0: not announced */
    bool parts;          /* the launcher may send parts of an answer before the answer ends */
    bool control;        /* the launcher reads control lines such as "cancel 7" */
    bool ring;           /* answers that are not written yet are in shared memory: base/ring.h */
};

#define READY_CONCURRENT_MAX 1000 /* a larger announced number counts as this one */

/* Parse the ready line. text: NULL if the line was too long. Returns 0, or -1 if the line reports a
 * failure or is malformed. err->kind is then ERR_CODE if the line gives a reason, which the client
 * may see, and ERR_ACTION if it gives none. */
int ready_read(struct ready *ready, const char *text, size_t n, struct err *err);

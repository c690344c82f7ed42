#pragma once

/*
 * ready - the line by which a launcher reports that it is ready and announces what it can do. A
 * parser without input or output. Source: contract 2.2 and runtime/README.md.
 */

#include <stdbool.h>
#include <stddef.h>

struct err;

struct ready {
    unsigned pipeline;   /* lines that it takes ahead of its answers; 0: not announced */
    unsigned concurrent; /* lines that it works on at a time, with request ids; 0: not announced */
    bool parts;          /* it may send parts of an answer before the answer */
    bool control;        /* it reads control lines */
    bool ring;           /* it keeps unwritten answers in the ring, base/ring.h */
};

#define READY_CONCURRENT_MAX 1000 /* a larger number counts as this one */

/* Parse the line. text: NULL if it was too long. Returns 0, or -1: ERR_CODE with the launcher's own
 * reason, which the client may see, else ERR_ACTION. */
int ready_read(struct ready *ready, const char *text, size_t n, struct err *err);

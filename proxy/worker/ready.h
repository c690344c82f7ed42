#pragma once

/*
 * ready - the line by which a launcher reports that it can be fed, and what it says of itself.
 * Bytes in, result out. Source: contract 2.2 and runtime/README.md.
 */

#include <stdbool.h>
#include <stddef.h>

struct err;

struct ready {
    unsigned pipeline;   /* lines that it takes ahead; 0: it announced nothing of the kind */
    unsigned concurrent; /* lines that it works on at a time, by number; 0: likewise */
    bool parts;          /* it may send parts of an answer before the answer */
    bool control;        /* it reads control lines */
    bool ring;           /* it keeps answers that wait in the ring, base/ring.h */
};

#define READY_CONCURRENT_MAX 1000 /* however much it announces */

/* text: NULL stands for a line beyond the bound. 0, or -1 with the reason: ERR_CODE when it is the
 * launcher's own, which the client may read, else ERR_ACTION. */
int ready_read(struct ready *ready, const char *text, size_t n, struct err *err);

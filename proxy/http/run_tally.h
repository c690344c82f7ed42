#pragma once

/* run_tally - the outcomes of POST /run, and their counters. */

#include <stdint.h>

#include "base/metrics.h"

enum run_end {
    RUN_OK,
    RUN_FAILED,     /* the function threw, as its launcher reports */
    RUN_BAD_ANSWER, /* no object or array */
    RUN_DIED,
    RUN_DEADLINE,
    RUN_ANSWER_TOO_LONG,
    RUN_EXHAUSTED, /* the action passed a limit and died of it */
    RUN_UNSTARTED, /* the action could not be started again */
    RUN_ABANDONED, /* begun, but the proxy was taken down */
    RUN_CANCELLED, /* its client left in the middle of its stream */
    /* refused: */
    RUN_DRAINING,
    RUN_NO_ACTION,
    RUN_BAD_BODY,
    RUN_BODY_TOO_LARGE,
    RUN_BUSY, /* --one-at-a-time */
    RUN_QUEUE_FULL,
    RUN_NO_ROOM, /* --held-max-bytes */
    N_RUN_ENDS
};

/* Since the program's start. */
struct run_tally {
    uint64_t n_ends[N_RUN_ENDS];
    uint64_t request_bytes;  /* bodies that were not refused */
    uint64_t answer_bytes;   /* answers of the action passed on */
    struct histogram queued; /* from the request until a worker got it; all but refused ones */
    struct histogram whole;  /* from the request to the reply */
};

/* The word for the label. */
const char *run_end_name(enum run_end end);

#pragma once

/* run_tally - the outcomes of POST /run, and their counters. */

#include <stdint.h>

#include "base/metrics.h"
#include "worker/outcome.h"

/* Since the program's start. */
struct run_tally {
    uint64_t n_ends[N_RUN_ENDS];
    uint64_t request_bytes;  /* bodies that were not refused */
    uint64_t answer_bytes;   /* answers of the action passed on */
    struct histogram queued; /* time from request to worker, without requests refused at once */
    struct histogram whole;  /* time from request to reply, without requests refused at once */
};

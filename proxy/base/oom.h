#pragma once

/*
 * oom - whether the kernel killed a process of ours for lack of memory.
 *
 * A SIGKILL from the kernel looks like any other. Only a counter in our memory control group tells.
 * We read that counter when the proxy starts, when a process of ours has died of SIGKILL, and when
 * a compiler has failed: the kernel may have killed a process that the compiler had started.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/cgroup.h"

struct oom {
    struct cgroup group;
    bool known;           /* the counter could be read: n_seen is valid */
    uint64_t n_seen;      /* the kernel's counter when we last read it */
    uint64_t n_unclaimed; /* counted kills for which no oom_claim() has returned true yet */
    uint64_t seen_at_ms;  /* loop time at which we last found that the counter had grown */
};

/* Read the counter for the first time. root: folder to put before system paths; "" except in tests.
 * While the counter cannot be read, no death is attributed to lack of memory. */
void oom_open(struct oom *oom, const char *root);

/*
 * Call when a process of ours died of SIGKILL or a compiler failed. Returns whether a kill for lack
 * of memory is the reason. For each kill that the kernel counted, one call within OOM_CLAIM_MS
 * returns true. A kill without such a call was that of another process, which the action had
 * started. now_ms: loop time. oom may be NULL: then no kill is recognized.
 */
bool oom_claim(struct oom *oom, uint64_t now_ms);

#define OOM_CLAIM_MS 2000

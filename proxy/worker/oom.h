#pragma once

/*
 * oom - whether the kernel killed a process of ours for lack of memory.
 *
 * Its SIGKILL looks like anybody's; only the count in our memory control group tells. We read it at
 * the start and at each death that may be such a kill.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/cgroup.h"

struct oom {
    struct cgroup group;
    bool known;           /* n_seen is a count that was read */
    uint64_t n_seen;      /* kills at the last look */
    uint64_t n_unclaimed; /* ... of which no death has been told yet */
    uint64_t seen_at_ms;  /* when the last rise was seen */
};

/* root: see base/cgroup.h. Without that count no death is put down to memory. */
void oom_open(struct oom *oom, const char *root);

/*
 * A process of ours was killed: whether for lack of memory. Each counted kill explains one death
 * within OOM_CLAIM_MS; it may also have hit a process that the action started. now_ms: loop time.
 */
bool oom_claim(struct oom *oom, uint64_t now_ms);

#define OOM_CLAIM_MS 2000

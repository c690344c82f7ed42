#pragma once

/*
 * oom - whether a process of ours was killed for want of memory.
 *
 * The kernel's signal is the same SIGKILL that anybody may send; only the count in our memory
 * control group tells. It is read at the start and at each death that might be one.
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

/* root: see base/cgroup.h. Where there is no such count, no death is ever put down to memory. */
void oom_open(struct oom *oom, const char *root);

/*
 * A process of ours was killed: was it for want of memory? Each kill explains one death, within
 * OOM_CLAIM_MS of its being seen: kills of what an action started go unclaimed.
 * now_ms: loop time.
 */
bool oom_claim(struct oom *oom, uint64_t now_ms);

#define OOM_CLAIM_MS 2000

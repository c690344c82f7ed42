#pragma once

/*
 * oom - whether the kernel killed a process of ours for lack of memory.
 *
 * The kernel's SIGKILL looks like any other; only a count in our memory control group shows it. We
 * read that at the start and at each death that may be such a kill.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/cgroup.h"

struct oom {
    struct cgroup group;
    bool known;           /* n_seen was read */
    uint64_t n_seen;      /* kills at the last look */
    uint64_t n_unclaimed; /* kills not yet matched with the death of a process of ours */
    uint64_t seen_at_ms;  /* loop time at which the count was last seen to rise */
};

/* root: see base/cgroup.h. If the count cannot be read, no death is put down to memory. */
void oom_open(struct oom *oom, const char *root);

/*
 * Whether a process of ours that died of SIGKILL was killed for lack of memory. Each counted kill
 * explains one death within OOM_CLAIM_MS; after that it counts as the kill of some process that the
 * action had started. now_ms: loop time.
 */
bool oom_claim(struct oom *oom, uint64_t now_ms);

#define OOM_CLAIM_MS 2000

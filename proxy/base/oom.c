#include "base/oom.h"

#include <assert.h>
#include <string.h>

/* Read how many processes of our control group the kernel has killed for lack of memory. The kernel
 * increments this counter before it sends SIGKILL. With both versions of control groups it does so
 * in the group of the killed process, even if another group exceeded its limit. Source: Linux,
 * mm/oom_kill.c. */
static bool read_kills(const struct oom *oom, uint64_t *n_kills)
{
    const char *name = oom->group.version == 1 ? "memory.oom_control" : "memory.events";

    return cgroup_count(&oom->group, name, "oom_kill", n_kills);
}

void oom_open(struct oom *oom, const char *root)
{
    memset(oom, 0, sizeof(*oom));
    cgroup_find(&oom->group, "memory", root);
    oom->known = read_kills(oom, &oom->n_seen);
}

bool oom_claim(struct oom *oom, uint64_t now_ms)
{
    uint64_t n_kills, n_before;
    bool known;

    if (oom == NULL || !read_kills(oom, &n_kills))
        return false;
    known = oom->known;
    n_before = oom->n_seen;
    assert(known || oom->n_unclaimed == 0);
    oom->known = true;
    oom->n_seen = n_kills;
    if (now_ms - oom->seen_at_ms > OOM_CLAIM_MS)
        oom->n_unclaimed = 0;
    if (known && n_kills > n_before) {
        oom->n_unclaimed += n_kills - n_before;
        oom->seen_at_ms = now_ms;
    }
    if (oom->n_unclaimed == 0)
        return false;
    oom->n_unclaimed--;
    return true;
}

#include "base/cpus.h"

#include <assert.h>
#include <sched.h>
#include <stdio.h>

#include "base/cgroup.h"

/* The container's CPU quota as a number of processors; 0: no limit. Reads both cgroup versions. */
static double quota(const char *root)
{
    struct cgroup group;
    char line[64];
    long quota_us = 0;
    long period_us = 0;

    cgroup_find(&group, "cpu", root);
    if (group.version == 2) {
        if (!cgroup_line(&group, "cpu.max", line, sizeof(line)) ||
            sscanf(line, "%ld %ld", &quota_us, &period_us) != 2) /* "max 100000" means no quota */
            return 0;
    } else {
        if (!cgroup_line(&group, "cpu.cfs_quota_us", line, sizeof(line)) ||
            sscanf(line, "%ld", &quota_us) != 1 ||
            !cgroup_line(&group, "cpu.cfs_period_us", line, sizeof(line)) ||
            sscanf(line, "%ld", &period_us) != 1)
            return 0;
    }
    return quota_us > 0 && period_us > 0 ? (double)quota_us / (double)period_us : 0;
}

unsigned cpus_usable(const char *root)
{
    cpu_set_t set;
    unsigned n = 1;
    double limit = quota(root);

    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
        n = (unsigned)CPU_COUNT(&set);
    if (limit > 0 && limit < n)
        n = limit < 1 ? 1 : (unsigned)(limit + 0.999);
    assert(n >= 1);
    return n;
}

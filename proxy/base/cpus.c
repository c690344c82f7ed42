#include "base/cpus.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>

/* The first line of a file of the cgroup file system. false: there is none. */
static bool read_line(const char *path, char *line, int size)
{
    FILE *file = fopen(path, "re");
    bool found;

    if (file == NULL)
        return false;
    found = fgets(line, size, file) != NULL;
    (void)fclose(file);
    return found;
}

/* Processors that the container's quota amounts to; 0: no limit. Both versions of cgroups. */
static double quota(void)
{
    char line[64];
    long quota_us = 0;
    long period_us = 0;

    if (read_line("/sys/fs/cgroup/cpu.max", line, sizeof(line))) {
        if (sscanf(line, "%ld %ld", &quota_us, &period_us) != 2) /* "max 100000" */
            return 0;
    } else if (read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", line, sizeof(line))) {
        if (sscanf(line, "%ld", &quota_us) != 1 ||
            !read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", line, sizeof(line)) ||
            sscanf(line, "%ld", &period_us) != 1)
            return 0;
    }
    return quota_us > 0 && period_us > 0 ? (double)quota_us / (double)period_us : 0;
}

unsigned cpus_usable(void)
{
    cpu_set_t set;
    unsigned n = 1;
    double limit = quota();

    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
        n = (unsigned)CPU_COUNT(&set);
    if (limit > 0 && limit < n)
        n = limit < 1 ? 1 : (unsigned)(limit + 0.999);
    return n;
}

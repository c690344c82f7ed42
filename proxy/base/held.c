#include "base/held.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cgroup.h"

/* We may hold a quarter of the memory: for the same data the action needs more than we do. */
#define SHARE     4
#define MIN_BYTES (16u << 20) /* with less, large request bodies would often be refused */

/* The number in the control group's file `name`; UINT64_MAX: no such file, or "max" (no limit). */
static uint64_t number_of(const struct cgroup *group, const char *name)
{
    char line[64];
    char *end;
    uint64_t number;

    if (!cgroup_line(group, name, line, sizeof(line)))
        return UINT64_MAX;
    errno = 0;
    number = strtoull(line, &end, 10);
    return end != line && *end == '\n' && errno == 0 ? number : UINT64_MAX;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t held_default_max(const char *root)
{
    long n_pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    uint64_t bytes = n_pages > 0 && page_bytes > 0 ? (uint64_t)n_pages * (uint64_t)page_bytes
                                                   : UINT64_C(1) << 30;
    struct cgroup group;
    uint64_t above;

    cgroup_find(&group, "memory", root);
    bytes = least(bytes, number_of(&group, "memory.max"));            /* cgroup v2 */
    bytes = least(bytes, number_of(&group, "memory.limit_in_bytes")); /* cgroup v1 */
    if (cgroup_count(&group, "memory.stat", "hierarchical_memory_limit", &above))
        bytes = least(bytes, above); /* cgroup v1: the least limit of our group and its ancestors */
    return bytes / SHARE > MIN_BYTES ? bytes / SHARE : MIN_BYTES;
}

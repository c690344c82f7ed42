#pragma once

/*
 * cgroup - this process's control groups, versions 1 and 2, as seen in its container.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cgroup {
    int version; /* 1 or 2; 0: there is none */
    char dir[512];
};

/*
 * This process's group for `controller` ("cpu", "memory"). root: prefix of /proc/self and of the
 * mount points; "" except in tests. A group that is not found has version 0.
 */
void cgroup_find(struct cgroup *group, const char *controller, const char *root);

/* Read the first line of a file of the group, newline included. false: no such file. */
bool cgroup_line(const struct cgroup *group, const char *name, char *line, size_t size);
/* Read the number after `key` from a file of "key number" lines. false: no such file or key. */
bool cgroup_count(const struct cgroup *group, const char *name, const char *key, uint64_t *count);

#pragma once

/*
 * cgroup - find and read this process's control groups, versions 1 and 2, from inside its
 * container.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cgroup {
    int version;   /* 1 or 2; 0: no group was found */
    char dir[512]; /* the group's folder, which has a file for each limit and counter */
};

/*
 * Find this process's group for `controller` ("cpu", "memory"). root: a folder to put before the
 * paths of /proc/self and of the mount points; "" except in tests. If no group is found,
 * group->version is 0.
 */
void cgroup_find(struct cgroup *group, const char *controller, const char *root);

/* Read the first line of the group's file `name`, with its newline. false: no such file. */
bool cgroup_line(const struct cgroup *group, const char *name, char *line, size_t size);
/* Read the number after `key` from the group's file `name`, which has "key number" lines. false: no
 * such file or key. */
bool cgroup_count(const struct cgroup *group, const char *name, const char *key, uint64_t *count);

/* The number of processors that this process may use, by its affinity and its group's quota; at
 * least 1. Part of a processor counts as a whole one. root: as for cgroup_find(). */
unsigned cgroup_usable_cpus(const char *root);

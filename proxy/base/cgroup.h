#pragma once

/*
 * cgroup - the control groups that this process is in, versions 1 and 2, as its container shows
 * them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cgroup {
    int version; /* 1 or 2; 0: there is none */
    char dir[512];
};

/*
 * The group of this process that has to do with `controller` ("cpu", "memory").
 * root   what stands before /proc/self and before the places where groups are mounted: "", but for
 *        tests. A group that cannot be found has version 0.
 */
void cgroup_find(struct cgroup *group, const char *controller, const char *root);

/* The first line of a file of the group, newline and all. false: there is none. */
bool cgroup_line(const struct cgroup *group, const char *name, char *line, size_t size);
/* The number behind `key` in a file of lines "key number". false: there is none. */
bool cgroup_count(const struct cgroup *group, const char *name, const char *key, uint64_t *count);

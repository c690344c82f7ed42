#pragma once

/*
 * cpus - how many processors this process may use, by affinity and by the container's quota.
 */

/* The number of processors, at least 1. Part of a processor counts as a whole one. root: as for
 * cgroup_find(). */
unsigned cpus_usable(const char *root);

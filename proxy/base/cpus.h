#pragma once

/*
 * cpus - how many processors this process may use, by affinity and by the container's quota.
 */

/* At least 1. Part of a processor counts as a whole one. root: see base/cgroup.h. */
unsigned cpus_usable(const char *root);

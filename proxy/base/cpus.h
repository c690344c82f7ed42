#pragma once

/*
 * cpus - how many processors this process may use: its affinity, and its container's quota.
 */

/* At least 1. A quota of a part of a processor counts as a whole one. root: see base/cgroup.h. */
unsigned cpus_usable(const char *root);

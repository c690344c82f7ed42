#pragma once

/*
 * child - what every process that helps with an action's code is made to be before it begins.
 */

#include <stdint.h>

/* Leave nothing of the proxy in a fresh fork but the descriptors below first_fd: default signals,
 * a process group of its own. */
void child_prepare(int first_fd);
/* Lower a resource limit (RLIMIT_*), never raise it: only root may, and nobody needs it here. */
void child_limit(unsigned resource, uint64_t most);

#pragma once

/*
 * child - what every process of ours is made to be before it begins with its own work.
 */

#include <stdint.h>

/*
 * Every signal is handled by default and none is blocked, whatever we or our own parent had set;
 * descriptors from first_fd on are closed, or what `flags` of close_range(2) say. System calls
 * only: it may stand between vfork and exec.
 */
void child_forget(int first_fd, unsigned flags);
/* Leave nothing of the proxy in a fresh fork but the descriptors below first_fd: default signals,
 * a process group of its own. */
void child_prepare(int first_fd);
/* Lower a resource limit (RLIMIT_*), never raise it: only root may, and nobody needs it here. */
void child_limit(unsigned resource, uint64_t most);

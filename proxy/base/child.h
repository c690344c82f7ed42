#pragma once

/*
 * child - common preparation of child processes.
 */

#include <stdint.h>

/*
 * Reset all signal handlers and the signal mask; close descriptors from first_fd on, or apply
 * `flags` of close_range(2) to them. System calls only: safe between vfork and exec.
 */
void child_forget(int first_fd, unsigned flags);
/* Shed the proxy in a fresh fork: close all but the descriptors below first_fd, default signals,
 * own process group. */
void child_prepare(int first_fd);
/* Lower a resource limit (RLIMIT_*), never raise it: raising takes root, and nobody here needs
 * it. */
void child_limit(unsigned resource, uint64_t most);

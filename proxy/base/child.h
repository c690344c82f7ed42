#pragma once

/*
 * child - what every child process of ours does first.
 *
 * A child that becomes another user (--user) can be stopped by any process of that user. So the
 * proxy never shares its memory with such a child (vfork), and never waits for one without a bound.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct privileges;

/*
 * In a child: set the action's resource limits, if with_limits, and become its user; then have the
 * kernel kill this child when the proxy ends. Exits if `parent` (the proxy) has ended already.
 * System calls only: safe between vfork and exec.
 * Returns 0, or what failed, with errno in *os: see privileges_explain().
 */
int child_enter(const struct privileges *privileges, bool with_limits, pid_t parent, int *os);

/*
 * Reset all signal handlers and the signal mask; close descriptors from first_fd on, or apply
 * `flags` of close_range(2) to them. System calls only: safe between vfork and exec.
 */
void child_forget(int first_fd, unsigned flags);
/* To be called first in a fork of the proxy: a process group of its own, default signals, umask
 * 022, and no descriptors from first_fd on. */
void child_prepare(int first_fd);
/* Set a resource limit (RLIMIT_*) to `most`, or to the hard limit if that is lower: only root may
 * raise a hard limit. */
void child_limit(unsigned resource, uint64_t most);

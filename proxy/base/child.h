#pragma once

/*
 * child - the first steps of every child process of the proxy.
 *
 * A child that becomes another user (--user) can be stopped (SIGSTOP) by any process of that user.
 * So the proxy never starts such a child with vfork(), which would suspend the proxy until the
 * child goes on, and never waits for such a child without a time limit.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct privileges;

/*
 * Call in a child: set the action's resource limits (if with_limits), become the action's user, and
 * have the kernel kill this child when the proxy ends. parent: the proxy's pid; if the proxy has
 * ended already, the child exits. Makes only system calls: safe between vfork and exec. Returns 0,
 * or a number for what failed, with errno in *os: see privileges_explain().
 */
int child_enter(const struct privileges *privileges, bool with_limits, pid_t parent, int *os);

/*
 * Call in a child: reset all signal handlers and the signal mask, and call close_range(2) with
 * `flags` for all descriptors from first_fd on; flags 0 closes them. Makes only system calls: safe
 * between vfork and exec.
 */
void child_forget(int first_fd, unsigned flags);
/* Call first in a fork of the proxy: makes a process group of its own, sets default signals and
 * umask 022, and closes all descriptors from first_fd on. */
void child_prepare(int first_fd);
/* Set a resource limit (RLIMIT_*), soft and hard, to `most`, or to the present hard limit if that
 * is lower: only root may raise a hard limit. */
void child_limit(unsigned resource, uint64_t most);

#pragma once

/*
 * placement - wake a worker on the processor that the proxy runs on.
 *
 * A worker that gets one line at a time and answers within microseconds spends most of its time
 * being woken, and a wake-up across processors costs several times as much as the activation. The
 * kernel chooses the processor when the line is written. So we restrict the process to our
 * processor during that write ("place" the line) and lift the restriction right after. Threads and
 * children inherit the restriction only if they are started in that moment. Afterwards the kernel
 * may move the process at once. Placing every fourth line is enough, since the kernel mostly wakes
 * a process on the processor where that process ran last.
 *
 * No line is placed if there is one processor, if the process has several threads, or if the system
 * refuses.
 */

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct placement {
    bool possible;         /* it is wanted, and restricting this process has worked so far */
    unsigned n_left;       /* lines to write unrestricted before the process is restricted again */
    unsigned n_looks_left; /* restrictions before the threads of the process are counted again */
    cpu_set_t own;         /* the processors on which the process may run when unrestricted */
};

/* Begin with a new process. wanted: the setting worker_opts.wake_near. */
void placement_open(struct placement *placement, bool wanted);

/* Call before writing a line to an idle process. For every fourth line, restrict the process to our
 * processor, unless that is not possible or the activations are long. work_ns: usual time of the
 * process for an activation, 0: unknown, so no restriction. true: the process is restricted now, so
 * call placement_end() after the write. */
bool placement_begin(struct placement *placement, pid_t pid, uint64_t work_ns);
void placement_end(const struct placement *placement, pid_t pid);

#pragma once

/*
 * placement - wake a worker on the processor that the proxy runs on.
 *
 * A worker that gets one line at a time and answers within microseconds spends most of its time on
 * being woken: across processors that costs several times what the activation does. So the process
 * is allowed this processor alone while its line is written, which is when the kernel chooses where
 * to wake it, and is free again right after: it asks for no processor when it runs, threads and
 * children inherit nothing, and the kernel may move it at once. One line in a few is enough, since
 * a process is mostly woken where it ran last.
 *
 * Does nothing with one processor, for a process that has threads, and where the system refuses.
 */

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct placement {
    bool wanted;           /* the setting */
    bool possible;         /* ... and nothing was seen that forbids it, for this process */
    unsigned n_left;       /* lines until the next that is placed */
    unsigned n_looks_left; /* placed lines until its threads are counted again */
    cpu_set_t own;         /* where the process may run */
};

void placement_init(struct placement *placement, bool wanted);
/* A process was started. */
void placement_open(struct placement *placement);

/* Before the line of a process that waits for it. work_ns: what its activations take, 0: not known.
 * true: placement_end() must follow the write. */
bool placement_begin(struct placement *placement, pid_t pid, uint64_t work_ns);
void placement_end(const struct placement *placement, pid_t pid);

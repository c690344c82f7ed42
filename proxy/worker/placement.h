#pragma once

/*
 * placement - wake a worker on the processor that the proxy runs on.
 *
 * A worker that gets one line at a time and answers within microseconds spends most of its time
 * being woken, and a wake-up across processors costs several times as much as the activation. The
 * kernel chooses the processor when the line is written. So we restrict the process to our
 * processor during that write and lift the restriction right after. Threads and children inherit it
 * only if the process starts them in that moment, and the kernel may move the process at once.
 * Every fourth line is enough, since a process is mostly woken where it ran last.
 *
 * Does nothing with one processor, for a process with threads, and where the system refuses.
 */

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct placement {
    bool wanted;           /* the setting */
    bool possible;         /* wanted, and it has worked so far for this process */
    unsigned n_left;       /* lines to write before the next one that is placed */
    unsigned n_looks_left; /* placed lines until its threads are counted again */
    cpu_set_t own;         /* processors on which the process may run */
};

void placement_init(struct placement *placement, bool wanted);
/* A new process was started. */
void placement_open(struct placement *placement);

/* Call before writing the line of an idle process. work_ns: usual time of its activations, 0:
 * unknown. true: call placement_end() after the write. */
bool placement_begin(struct placement *placement, pid_t pid, uint64_t work_ns);
void placement_end(const struct placement *placement, pid_t pid);

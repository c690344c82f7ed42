#pragma once

/*
 * usage - memory and processor time of processes, read on demand.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct usage {
    uint64_t memory_bytes; /* in RAM; a page shared by processes counts in each of them */
    uint64_t cpu_us;       /* user and system time */
};

/* Add the memory of a process, and the processor time of the process and of the children that it
 * has waited for. Reads two files of /proc. false: no such process. */
bool usage_add(struct usage *usage, pid_t pid);
/* Processor time of this process alone. */
uint64_t usage_own_cpu_us(void);
/* Processor time of all our children that have ended. Add the time of the living ones, by
 * usage_add(): the sum never decreases. */
uint64_t usage_ended_cpu_us(void);
/* Bytes of address space of this process; 0: it is not known. */
uint64_t usage_own_virtual_bytes(void);
/* Number of open descriptors of this process; 0: it is not known. */
unsigned usage_open_fds(void);

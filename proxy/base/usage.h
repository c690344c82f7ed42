#pragma once

/*
 * usage - memory and processor time of processes, read from the system at the moment of asking.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct usage {
    uint64_t memory_bytes; /* resident; pages that processes share count in each */
    uint64_t cpu_us;       /* user and system */
};

/* Add what a process has now and used so far, with its own children that it waited for. It takes
 * two reads of /proc. false: there is no such process. */
bool usage_add(struct usage *usage, pid_t pid);
/* Processor time of this process alone. */
uint64_t usage_own_cpu_us(void);
/* ... of all children that have ended. With usage_add() of the living it never goes down. */
uint64_t usage_ended_cpu_us(void);
/* Address space of this process; 0: it is not known. */
uint64_t usage_own_virtual_bytes(void);
/* Descriptors of this process. */
unsigned usage_open_fds(void);

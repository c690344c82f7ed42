#include "worker/placement.h"

#include <assert.h>
#include <stdio.h>
#include <sys/stat.h>

/* Restrict no process whose activations take longer: compared to these a wake-up costs little. */
#define WORK_MAX_NS 200000
/* Restrict the process to our processor for the write of one line in this many. Measured: doing so
 * for every line is 10 % slower when many jobs wait, and for every 8th line is less steady. */
#define PLACE_EVERY 4
#define LOOK_EVERY  64 /* count the threads of the process once in this many restrictions */

void placement_open(struct placement *placement, bool wanted)
{
    placement->possible = wanted;
    placement->n_left = placement->n_looks_left = 0;
}

/* Whether the process has one thread and more than one processor to run on. */
static bool look(struct placement *placement, pid_t pid)
{
    char path[32];
    struct stat info;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    return stat(path, &info) == 0 && info.st_nlink == 3 && /* links of ".", ".." and one thread */
           sched_getaffinity(pid, sizeof(placement->own), &placement->own) == 0 &&
           CPU_COUNT(&placement->own) > 1;
}

bool placement_begin(struct placement *placement, pid_t pid, uint64_t work_ns)
{
    cpu_set_t here;
    int cpu;

    assert(pid > 0);
    if (!placement->possible || work_ns == 0 || work_ns > WORK_MAX_NS)
        return false;
    if (placement->n_left > 0) {
        placement->n_left--;
        return false;
    }
    placement->n_left = PLACE_EVERY - 1;
    if (placement->n_looks_left == 0) {
        placement->possible = look(placement, pid);
        placement->n_looks_left = LOOK_EVERY;
    }
    assert(placement->n_looks_left > 0);
    placement->n_looks_left--;
    cpu = sched_getcpu();
    if (!placement->possible || cpu < 0 || cpu >= CPU_SETSIZE ||
        !CPU_ISSET((size_t)cpu, &placement->own))
        return false;
    CPU_ZERO(&here);
    CPU_SET((size_t)cpu, &here);
    placement->possible = sched_setaffinity(pid, sizeof(here), &here) == 0;
    return placement->possible;
}

void placement_end(const struct placement *placement, pid_t pid)
{
    assert(placement->possible);
    (void)sched_setaffinity(pid, sizeof(placement->own), &placement->own);
}

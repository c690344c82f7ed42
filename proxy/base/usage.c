#include "base/usage.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/util.h"

/* Number of fields of /proc/PID/stat between the program's name and the first processor time:
 * fields 3 (state) to 13 in proc(5). */
#define STAT_TIMES      11
#define STAT_MAX_BYTES  1024
#define STATM_MAX_BYTES 128

/* Read a small file below /proc/PID as text. */
static bool read_file(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    return file_read_text(path, text, size);
}

/* User and system time of a process and of the children it has waited for, in ticks. */
static uint64_t sum_of_times(const char *text)
{
    const char *at = strrchr(text, ')'); /* the program name that ends here may contain any bytes */
    char *end;
    uint64_t ticks = 0;

    for (int i = 0; at != NULL && i <= STAT_TIMES; i++)
        at = strchr(at + 1, ' ');
    for (int i = 0; at != NULL && i < 4; i++, at = end)
        ticks += strtoull(at, &end, 10);
    return ticks;
}

bool usage_add(struct usage *usage, pid_t pid)
{
    char statm[STATM_MAX_BYTES];
    char stat[STAT_MAX_BYTES];
    unsigned long long pages = 0;

    if (!read_file(pid, "statm", statm, sizeof(statm)) ||
        !read_file(pid, "stat", stat, sizeof(stat)))
        return false;
    if (sscanf(statm, "%*u %llu", &pages) == 1)
        usage->memory_bytes += pages * (uint64_t)sysconf(_SC_PAGESIZE);
    usage->cpu_us += sum_of_times(stat) * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
    return true;
}

uint64_t usage_own_virtual_bytes(void)
{
    char statm[STATM_MAX_BYTES];

    if (!read_file(getpid(), "statm", statm, sizeof(statm)))
        return 0;
    return strtoull(statm, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t cpu_us_of(int who)
{
    struct rusage used;

    memset(&used, 0, sizeof(used));
    (void)getrusage(who, &used);
    return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

uint64_t usage_own_cpu_us(void)
{
    return cpu_us_of(RUSAGE_SELF);
}

uint64_t usage_ended_cpu_us(void)
{
    return cpu_us_of(RUSAGE_CHILDREN);
}

unsigned usage_open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;
    unsigned n = 0;

    if (dir == NULL)
        return 0;
    while ((entry = readdir(dir)) != NULL)
        n += entry->d_name[0] != '.';
    (void)closedir(dir);
    return n - 1; /* not counting the descriptor of `dir` */
}

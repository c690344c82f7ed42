#include "worker/stdin_probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/privileges.h"
#include "base/util.h"

#define THREADS_MAX 64 /* most threads that are looked at */
#define VAIN_MAX    8  /* after n vain looks at all threads come 2^n looks at one, n up to this */

/* System calls in which a program waits for input. */
static const struct {
    long number;
    bool names_fd; /* its first argument is the descriptor, which must be 0 */
} calls[] = {
    {SYS_read, true},           {SYS_readv, true},           {STDIN_PROBE_POLL, false},
    {SYS_ppoll, false},         {STDIN_PROBE_SELECT, false}, {SYS_pselect6, false},
    {STDIN_PROBE_EPOLL, false}, {SYS_epoll_pwait, false},    {SYS_epoll_pwait2, false},
};

static int open_thread(const struct stdin_probe *probe, pid_t tid)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", (int)probe->pid, (int)tid);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Just before exec the process is not dumpable, as we are not, and its file cannot be opened: try
 * again at each look. */
static void try_to_open(struct stdin_probe *probe)
{
    probe->fd = open_thread(probe, probe->tid);
    if (probe->fd < 0 && privileges_as_user(probe->privileges)) {
        probe->borrows = true;
        privileges_borrow(probe->privileges);
        probe->fd = open_thread(probe, probe->tid);
        privileges_return(probe->privileges);
    }
}

void stdin_probe_open(struct stdin_probe *probe, pid_t pid, const struct privileges *privileges)
{
    *probe = (struct stdin_probe){.fd = -1, .pid = pid, .tid = pid, .privileges = privileges};
    try_to_open(probe);
}

void stdin_probe_close(struct stdin_probe *probe)
{
    fd_close(&probe->fd);
    probe->pid = 0;
}

static enum stdin_probe_state judge(int fd)
{
    char text[256]; /* "0 0x0 0x7ffd..." while blocked in a call, "running" while not */
    char *end;
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    long number;

    if (n <= 0)
        return STDIN_PROBE_UNKNOWN;
    text[n] = '\0';
    number = strtol(text, &end, 10);
    if (end == text || number < 0) /* "-1": outside any call, as during a page fault */
        return STDIN_PROBE_RUNS;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        if (calls[i].number == number && !calls[i].names_fd)
            return STDIN_PROBE_POLLS;
        else if (calls[i].number == number)
            return strtoul(end, NULL, 16) == 0 ? STDIN_PROBE_YES : STDIN_PROBE_NO;
    return STDIN_PROBE_NO;
}

/* The kernel checks permissions at each read, not only when the file is opened. */
static enum stdin_probe_state look(struct stdin_probe *probe)
{
    enum stdin_probe_state state;

    if (!probe->borrows) {
        errno = 0;
        state = judge(probe->fd);
        if (state != STDIN_PROBE_UNKNOWN || (errno != EPERM && errno != EACCES) ||
            !privileges_as_user(probe->privileges))
            return state;
        probe->borrows = true;
    }
    privileges_borrow(probe->privileges);
    state = judge(probe->fd);
    privileges_return(probe->privileges);
    return state;
}

/* If this thread waits for input, look at it from now on. */
static bool take_thread(struct stdin_probe *probe, pid_t tid)
{
    int fd = open_thread(probe, tid);

    if (fd < 0 || judge(fd) != STDIN_PROBE_YES) {
        fd_close(&fd);
        return false;
    }
    fd_close(&probe->fd);
    probe->fd = fd;
    probe->tid = tid;
    return true;
}

static bool find_reader(struct stdin_probe *probe)
{
    char path[32];
    const struct dirent *item;
    bool found = false;
    DIR *tasks;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)probe->pid);
    if (probe->borrows)
        privileges_borrow(probe->privileges);
    tasks = opendir(path);
    for (int n = 0;
         tasks != NULL && !found && n < THREADS_MAX && (item = readdir(tasks)) != NULL;) {
        pid_t tid = (pid_t)strtol(item->d_name, NULL, 10);

        if (tid <= 0 || tid == probe->tid)
            continue;
        n++;
        found = take_thread(probe, tid);
    }
    if (tasks != NULL)
        (void)closedir(tasks);
    if (probe->borrows)
        privileges_return(probe->privileges);
    return found;
}

/* Whether another thread waits for input. A look costs a few system calls for each thread, so we
 * look less often after vain looks. */
static bool another_waits(struct stdin_probe *probe)
{
    if (probe->n_until > 0) {
        probe->n_until--;
        return false;
    }
    if (find_reader(probe)) {
        probe->n_vain = 0;
        return true;
    }
    if (probe->n_vain < VAIN_MAX)
        probe->n_vain++;
    probe->n_until = 1u << probe->n_vain;
    return false;
}

enum stdin_probe_state stdin_probe_look(struct stdin_probe *probe)
{
    enum stdin_probe_state state;

    if (probe->fd < 0 && probe->pid > 0)
        try_to_open(probe);
    if (probe->fd < 0)
        return STDIN_PROBE_UNKNOWN;
    state = look(probe);
    if (state == STDIN_PROBE_UNKNOWN && probe->tid != probe->pid) { /* that thread has ended */
        fd_close(&probe->fd);
        probe->tid = probe->pid;
        return stdin_probe_look(probe);
    }
    if ((state == STDIN_PROBE_NO || state == STDIN_PROBE_POLLS) && another_waits(probe))
        return STDIN_PROBE_YES;
    return state;
}

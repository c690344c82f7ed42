#include "worker/stdin_probe.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/privileges.h"
#include "base/util.h"

#define THREADS_MAX 64 /* examine no more threads than this */
/* Examining all threads is costly. If n searches in a row found none that waited for input, only
 * one thread is examined the next 2^n times. n is at most this. */
#define SEARCHES_MAX 8

static int open_thread(const struct stdin_probe *probe, pid_t tid)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", (int)probe->pid, (int)tid);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Open the thread's file in /proc. Until exec a process cannot be inspected, since it is undumpable
 * like the proxy, so this is tried again at each check. */
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

void stdin_probe_open(struct stdin_probe *probe, pid_t pid, int in,
                      const struct privileges *privileges)
{
    struct stat info;

    *probe = (struct stdin_probe){.fd = -1, .pid = pid, .tid = pid, .privileges = privileges};
    if (in >= 0 && fstat(in, &info) == 0)
        probe->input = info.st_ino;
    (void)snprintf(probe->input_path, sizeof(probe->input_path), "/proc/%d/fd/0", (int)pid);
    try_to_open(probe);
}

void stdin_probe_close(struct stdin_probe *probe)
{
    fd_close(&probe->fd);
    probe->pid = 0;
}

static enum stdin_probe_state judge_read(const struct stdin_probe *probe, unsigned long fd,
                                         bool closely)
{
    bool is_input = fd == STDIN_FILENO ? poll_set_is_input_at(probe->input_path, probe->input, true)
                                       : closely && poll_set_is_input(probe->pid, probe->input, fd);

    return is_input ? STDIN_PROBE_YES : STDIN_PROBE_NO;
}

/* Whether the process waits for more than while it was idle, for example a timer or a reply. */
static bool awaits_more(const struct stdin_probe *probe, const struct poll_set *set)
{
    assert(set->has_input);
    if (!probe->idle.has_input)
        return set->has_limit;
    return (set->has_limit && !probe->idle.has_limit) || set->n_others > probe->idle.n_others;
}

static enum stdin_probe_state judge_poll(struct stdin_probe *probe, long number, const char *args)
{
    struct poll_set *set = &probe->polled;

    if (!poll_set_read(set, probe->pid, probe->input, number, args))
        return STDIN_PROBE_POLLS;
    if (!set->has_input)
        return STDIN_PROBE_NO;
    if (set->n_others == 0 && !set->has_limit)
        return STDIN_PROBE_YES;
    return awaits_more(probe, set) ? STDIN_PROBE_AWAITS : STDIN_PROBE_POLLS;
}

/* Judge what a thread does. fd: its /proc/PID/task/TID/syscall. closely: also find out what a
 * blocked poll waits for, and whether a descriptor other than 0 is the input. */
static enum stdin_probe_state judge(struct stdin_probe *probe, int fd, bool closely)
{
    char text[256]; /* number and arguments of the call, "0 0x0 0x7ffd...", or "running" */
    char *args;
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    long number;

    if (n <= 0)
        return STDIN_PROBE_UNKNOWN;
    text[n] = '\0';
    number = strtol(text, &args, 10);
    if (args == text || number < 0) /* "-1": blocked outside any call, as by a page fault */
        return STDIN_PROBE_RUNS;
    if (number == SYS_read || number == SYS_readv)
        return judge_read(probe, strtoul(args, NULL, 16), closely);
    if (poll_set_is_poll(number))
        return closely ? judge_poll(probe, number, args) : STDIN_PROBE_POLLS;
    return STDIN_PROBE_NO;
}

/* Examine thread `tid`. The kernel checks permissions at each read of its file in /proc, not only
 * when the file is opened, so each read may need the rights of the process's user. */
static enum stdin_probe_state look(struct stdin_probe *probe, bool closely)
{
    enum stdin_probe_state state;

    assert(probe->fd >= 0);
    if (!probe->borrows) {
        errno = 0;
        state = judge(probe, probe->fd, closely);
        if (state != STDIN_PROBE_UNKNOWN || (errno != EPERM && errno != EACCES) ||
            !privileges_as_user(probe->privileges))
            return state;
        probe->borrows = true;
    }
    privileges_borrow(probe->privileges);
    state = judge(probe, probe->fd, closely);
    privileges_return(probe->privileges);
    return state;
}

/* If this thread waits for input, examine it first from now on. Returns whether it waits. */
static bool take_thread(struct stdin_probe *probe, pid_t tid, bool closely)
{
    int fd = open_thread(probe, tid);

    assert(tid != probe->tid);
    if (fd < 0 || judge(probe, fd, closely) != STDIN_PROBE_YES) {
        fd_close(&fd);
        return false;
    }
    fd_close(&probe->fd);
    probe->fd = fd;
    probe->tid = tid;
    return true;
}

static bool find_reader(struct stdin_probe *probe, bool closely)
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
        found = take_thread(probe, tid, closely);
    }
    if (tasks != NULL)
        (void)closedir(tasks);
    if (probe->borrows)
        privileges_return(probe->privileges);
    return found;
}

/* Whether another thread waits for input. Examining all threads costs a few system calls for each
 * thread. So it is done less often the more often no such thread was found. */
static bool another_waits(struct stdin_probe *probe, bool closely)
{
    assert(probe->n_searches <= SEARCHES_MAX);
    if (probe->n_until > 0) {
        probe->n_until--;
        return false;
    }
    if (find_reader(probe, closely)) {
        probe->n_searches = 0;
        return true;
    }
    if (probe->n_searches < SEARCHES_MAX)
        probe->n_searches++;
    probe->n_until = 1u << probe->n_searches;
    return false;
}

static enum stdin_probe_state look_at_all(struct stdin_probe *probe, bool closely)
{
    enum stdin_probe_state state;

    if (probe->fd < 0 && probe->pid > 0)
        try_to_open(probe);
    if (probe->fd < 0)
        return STDIN_PROBE_UNKNOWN;
    state = look(probe, closely);
    if (state == STDIN_PROBE_UNKNOWN && probe->tid != probe->pid) { /* thread `tid` has ended */
        fd_close(&probe->fd);
        probe->tid = probe->pid;
        return look_at_all(probe, closely);
    }
    if ((state == STDIN_PROBE_NO || state == STDIN_PROBE_POLLS || state == STDIN_PROBE_AWAITS) &&
        another_waits(probe, closely))
        return STDIN_PROBE_YES;
    return state;
}

enum stdin_probe_state stdin_probe_look(struct stdin_probe *probe)
{
    return look_at_all(probe, false);
}

enum stdin_probe_state stdin_probe_look_closely(struct stdin_probe *probe)
{
    return look_at_all(probe, true);
}

void stdin_probe_note_idle(struct stdin_probe *probe)
{
    probe->polled = (struct poll_set){0};
    if (probe->fd >= 0)
        (void)look(probe, true);
    probe->idle = probe->polled;
}

#include "worker/stdin_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/privileges.h"
#include "base/util.h"

/* System calls in which a program waits for input. */
static const struct {
    long number;
    bool names_fd; /* its first argument is the descriptor, which must be 0 */
} calls[] = {
    {SYS_read, true},           {SYS_readv, true},           {STDIN_PROBE_POLL, false},
    {SYS_ppoll, false},         {STDIN_PROBE_SELECT, false}, {SYS_pselect6, false},
    {STDIN_PROBE_EPOLL, false}, {SYS_epoll_pwait, false},    {SYS_epoll_pwait2, false},
};

/* Just before exec the process is not dumpable, as we are not, and its file cannot be opened: try
 * again at each look. */
static void try_to_open(struct stdin_probe *stdin_probe)
{
    char path[32];

    (void)snprintf(path, sizeof(path), "/proc/%d/syscall", (int)stdin_probe->pid);
    stdin_probe->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (stdin_probe->fd < 0 && privileges_as_user(stdin_probe->privileges)) {
        stdin_probe->borrows = true;
        privileges_borrow(stdin_probe->privileges);
        stdin_probe->fd = open(path, O_RDONLY | O_CLOEXEC);
        privileges_return(stdin_probe->privileges);
    }
}

void stdin_probe_open(struct stdin_probe *stdin_probe, pid_t pid,
                      const struct privileges *privileges)
{
    *stdin_probe = (struct stdin_probe){.fd = -1, .pid = pid, .privileges = privileges};
    try_to_open(stdin_probe);
}

/* The kernel checks permissions at each read, not only when the file is opened. */
static ssize_t look(struct stdin_probe *stdin_probe, char *text, size_t size)
{
    ssize_t n;

    if (!stdin_probe->borrows) {
        n = pread(stdin_probe->fd, text, size, 0);
        if (n >= 0 || (errno != EPERM && errno != EACCES) ||
            !privileges_as_user(stdin_probe->privileges))
            return n;
        stdin_probe->borrows = true;
    }
    privileges_borrow(stdin_probe->privileges);
    n = pread(stdin_probe->fd, text, size, 0);
    privileges_return(stdin_probe->privileges);
    return n;
}

void stdin_probe_close(struct stdin_probe *stdin_probe)
{
    fd_close(&stdin_probe->fd);
    stdin_probe->pid = 0;
}

enum stdin_probe_state stdin_probe_look(struct stdin_probe *stdin_probe)
{
    char text[256]; /* "0 0x0 0x7ffd..." while blocked in a call, "running" while not */
    char *end;
    ssize_t n;
    long number;

    if (stdin_probe->fd < 0 && stdin_probe->pid > 0)
        try_to_open(stdin_probe);
    if (stdin_probe->fd < 0 || (n = look(stdin_probe, text, sizeof(text) - 1)) <= 0)
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

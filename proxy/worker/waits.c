#include "worker/waits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/privileges.h"
#include "base/util.h"

/* Calls in which a program waits for input. */
static const struct {
    long number;
    bool names_fd; /* its first argument is the descriptor, which must be 0 */
} calls[] = {
    {SYS_read, true},     {SYS_readv, true},        {WAITS_POLL, false},
    {SYS_ppoll, false},   {WAITS_SELECT, false},    {SYS_pselect6, false},
    {WAITS_EPOLL, false}, {SYS_epoll_pwait, false}, {SYS_epoll_pwait2, false},
};

/* A process that has just been started may still be closed to us, as we are ourselves to others: it
 * opens up at some moment of its exec, so each look tries again. */
static void try_to_open(struct waits *waits)
{
    char path[32];

    (void)snprintf(path, sizeof(path), "/proc/%d/syscall", (int)waits->pid);
    waits->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (waits->fd < 0 && privileges_as_user(waits->privileges)) {
        waits->borrows = true;
        privileges_borrow(waits->privileges);
        waits->fd = open(path, O_RDONLY | O_CLOEXEC);
        privileges_return(waits->privileges);
    }
}

void waits_open(struct waits *waits, pid_t pid, const struct privileges *privileges)
{
    *waits = (struct waits){.fd = -1, .pid = pid, .privileges = privileges};
    try_to_open(waits);
}

/* The file is opened once; who may read it is asked at each read. */
static ssize_t look(struct waits *waits, char *text, size_t size)
{
    ssize_t n;

    if (!waits->borrows) {
        n = pread(waits->fd, text, size, 0);
        if (n >= 0 || (errno != EPERM && errno != EACCES) || !privileges_as_user(waits->privileges))
            return n;
        waits->borrows = true;
    }
    privileges_borrow(waits->privileges);
    n = pread(waits->fd, text, size, 0);
    privileges_return(waits->privileges);
    return n;
}

void waits_close(struct waits *waits)
{
    fd_close(&waits->fd);
    waits->pid = 0;
}

enum waits_state waits_look(struct waits *waits)
{
    char text[256]; /* "0 0x0 0x7ffd..." while blocked in a call, "running" while not */
    char *end;
    ssize_t n;
    long number;

    if (waits->fd < 0 && waits->pid > 0)
        try_to_open(waits);
    if (waits->fd < 0 || (n = look(waits, text, sizeof(text) - 1)) <= 0)
        return WAITS_UNKNOWN;
    text[n] = '\0';
    number = strtol(text, &end, 10);
    if (end == text || number < 0) /* "-1": outside any call, as when a page is fetched */
        return WAITS_RUNS;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        if (calls[i].number == number && !calls[i].names_fd)
            return WAITS_POLLS;
        else if (calls[i].number == number)
            return strtoul(end, NULL, 16) == 0 ? WAITS_YES : WAITS_NO;
    return WAITS_NO;
}

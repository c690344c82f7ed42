#include "worker/poll_set.h"

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

#include "base/util.h"

#define N_ARGS   6
#define FDS_MAX  64   /* of a poll(); more are not looked at */
#define INFO_MAX 4096 /* bytes of an epoll descriptor's file in /proc */

/* Read n bytes of the process's memory. */
static bool read_memory(pid_t pid, uint64_t at, void *to, size_t n)
{
    char path[32];
    auto_fd int fd = -1;

    (void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && pread(fd, to, n, (off_t)at) == (ssize_t)n;
}

/* no_limit: it waits without a time limit. */
static enum poll_set judge(bool has_input, bool has_others, bool no_limit)
{
    if (!has_input)
        return POLL_SET_WITHOUT_INPUT;
    return !has_others && no_limit ? POLL_SET_INPUT_ALONE : POLL_SET_WITH_INPUT;
}

static enum poll_set of_poll(pid_t pid, uint64_t at, uint64_t n, bool no_limit)
{
    struct pollfd fds[FDS_MAX];
    bool has_others = false;
    bool has_input = false;

    if (n == 0)
        return POLL_SET_WITHOUT_INPUT;
    if (n > FDS_MAX || !read_memory(pid, at, fds, (size_t)n * sizeof(*fds)))
        return POLL_SET_UNKNOWN;
    for (size_t i = 0; i < n; i++)
        if (fds[i].fd == STDIN_FILENO && (fds[i].events & (POLLIN | POLLRDNORM)))
            has_input = true;
        else if (fds[i].fd >= 0)
            has_others = true;
    return judge(has_input, has_others, no_limit);
}

/* The kernel copies the sets at the call and writes them back at its end: they are as they were
 * given. */
static enum poll_set of_select(pid_t pid, const uint64_t args[N_ARGS])
{
    size_t n_words = (size_t)((args[0] + 63) / 64);
    uint64_t words[FD_SETSIZE / 64];
    bool has_input = false;
    bool has_others = false;

    if (n_words > ARRAY_LEN(words))
        return POLL_SET_UNKNOWN;
    for (int set = 1; set <= 3; set++) { /* to read, to write, exceptions */
        if (args[set] == 0 || n_words == 0)
            continue;
        if (!read_memory(pid, args[set], words, n_words * sizeof(*words)))
            return POLL_SET_UNKNOWN;
        if (set == 1 && (words[0] & 1)) {
            has_input = true;
            words[0] &= ~UINT64_C(1);
        }
        for (size_t i = 0; i < n_words; i++)
            has_others = has_others || words[i] != 0;
    }
    return judge(has_input, has_others, args[4] == 0);
}

static enum poll_set of_epoll(pid_t pid, uint64_t fd, bool no_limit)
{
    static const char mark[] = "tfd:";
    char path[48];
    char text[INFO_MAX];
    bool has_others = false;
    bool has_input = false;

    (void)snprintf(path, sizeof(path), "/proc/%d/fdinfo/%u", (int)pid, (unsigned)fd);
    if (!file_read_text(path, text, sizeof(text)) || strlen(text) == sizeof(text) - 1)
        return POLL_SET_UNKNOWN;
    /* "tfd:        0 events:       19 data: ...", events in hexadecimal */
    for (const char *at = text; (at = strstr(at, mark)) != NULL; at += sizeof(mark) - 1) {
        char *end;
        long tfd = strtol(at + sizeof(mark) - 1, &end, 10);
        const char *events = strchr(end, ':');

        if (tfd == STDIN_FILENO && events != NULL && (strtoul(events + 1, NULL, 16) & EPOLLIN))
            has_input = true;
        else
            has_others = true;
    }
    return judge(has_input, has_others, no_limit);
}

enum poll_set poll_set_read(pid_t pid, long number, const char *args)
{
    uint64_t arg[N_ARGS] = {0};
    char *end;

    for (size_t i = 0; i < N_ARGS; i++, args = end)
        arg[i] = strtoull(args, &end, 16);
    if (number == POLL_SET_POLL)
        return of_poll(pid, arg[0], arg[1], (int)arg[2] < 0);
    if (number == SYS_ppoll)
        return of_poll(pid, arg[0], arg[1], arg[2] == 0);
    if (number == POLL_SET_SELECT || number == SYS_pselect6)
        return of_select(pid, arg);
    if (number == SYS_epoll_pwait2)
        return of_epoll(pid, arg[0], arg[3] == 0);
    if (number == POLL_SET_EPOLL || number == SYS_epoll_pwait)
        return of_epoll(pid, arg[0], (int)arg[3] < 0);
    return POLL_SET_UNKNOWN;
}

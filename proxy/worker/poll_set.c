#include "worker/poll_set.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/util.h"

/* System calls that newer architectures do not have; -2 there, which no call has as its number. */
#ifndef SYS_poll
#define SYS_poll       (-2)
#define SYS_select     (-2)
#define SYS_epoll_wait (-2)
#endif

#define N_ARGS      6
#define FDS_MAX     1024  /* a poll() of more descriptors is not examined */
#define INFO_MAX    32768 /* longest /proc/PID/fdinfo/N of an epoll set: about 400 members */
#define ALIASES_MAX 64    /* most descriptors other than 0 that are compared with the input pipe */

/* A blocked thread of process `pid` is examined. input: inode of that process's input pipe. */
struct reader {
    pid_t pid;
    ino_t input;
    struct poll_set *set; /* the result, to be filled */
    unsigned n_compared;
};

/* Read n bytes of the process's memory at this address. */
static bool read_memory(pid_t pid, uint64_t at, void *to, size_t n)
{
    char path[32];
    auto_fd int fd = -1;

    (void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && pread(fd, to, n, (off_t)at) == (ssize_t)n;
}

bool poll_set_is_input_at(const char *path, ino_t input, bool unseen)
{
    struct stat info;

    return input == 0 || stat(path, &info) < 0 ? unseen : info.st_ino == input;
}

bool poll_set_is_input(pid_t pid, ino_t input, unsigned long fd)
{
    char path[48];

    (void)snprintf(path, sizeof(path), "/proc/%d/fd/%lu", (int)pid, fd);
    return poll_set_is_input_at(path, input, fd == STDIN_FILENO);
}

/* Record a descriptor for which the thread waits. may_read: the thread waits to read from it. */
static void add(struct reader *reader, unsigned long fd, bool may_read)
{
    struct poll_set *set = reader->set;

    assert(reader->n_compared <= ALIASES_MAX);
    if (may_read && !set->has_input && (fd == STDIN_FILENO || reader->n_compared < ALIASES_MAX)) {
        reader->n_compared += fd != STDIN_FILENO;
        set->has_input = poll_set_is_input(reader->pid, reader->input, fd);
        if (set->has_input)
            return;
    }
    set->n_others++;
}

static bool of_poll(struct reader *reader, uint64_t at, uint64_t n)
{
    struct pollfd fds[FDS_MAX];

    if (n > FDS_MAX || (n > 0 && !read_memory(reader->pid, at, fds, (size_t)n * sizeof(*fds))))
        return false;
    for (size_t i = 0; i < n; i++)
        if (fds[i].fd >= 0)
            add(reader, (unsigned long)fds[i].fd, fds[i].events & (POLLIN | POLLRDNORM));
    return true;
}

/* The kernel overwrites the three sets of select() only when select() returns. So while the thread
 * is blocked, its memory still has the sets that it passed. */
static bool of_select(struct reader *reader, const uint64_t args[N_ARGS])
{
    size_t n_words = (size_t)((args[0] + 63) / 64);
    uint64_t words[FD_SETSIZE / 64];

    if (n_words > ARRAY_LEN(words))
        return false;
    for (int set = 1; set <= 3; set++) { /* the sets for reading, for writing and for exceptions */
        if (args[set] == 0 || n_words == 0)
            continue;
        if (!read_memory(reader->pid, args[set], words, n_words * sizeof(*words)))
            return false;
        for (size_t fd = 0; fd < n_words * 64; fd++)
            if (words[fd / 64] >> (fd % 64) & 1)
                add(reader, fd, set == 1);
    }
    return true;
}

static bool of_epoll(struct reader *reader, uint64_t fd)
{
    static const char mark[] = "tfd:";
    char path[48];
    char text[INFO_MAX];

    (void)snprintf(path, sizeof(path), "/proc/%d/fdinfo/%u", (int)reader->pid, (unsigned)fd);
    if (!file_read_text(path, text, sizeof(text)) || strlen(text) == sizeof(text) - 1)
        return false;
    /* Each line is "tfd:        0 events:       19 data: ...", with the events in hexadecimal. */
    for (const char *at = text; (at = strstr(at, mark)) != NULL; at += sizeof(mark) - 1) {
        char *end;
        unsigned long tfd = strtoul(at + sizeof(mark) - 1, &end, 10);
        const char *events = strchr(end, ':');

        add(reader, tfd, events != NULL && (strtoul(events + 1, NULL, 16) & EPOLLIN));
    }
    return true;
}

static bool is_poll(long number)
{
    return number == SYS_poll || number == SYS_ppoll;
}

static bool is_select(long number)
{
    return number == SYS_select || number == SYS_pselect6;
}

static bool is_epoll(long number)
{
    return number == SYS_epoll_wait || number == SYS_epoll_pwait || number == SYS_epoll_pwait2;
}

bool poll_set_is_poll(long number)
{
    return is_poll(number) || is_select(number) || is_epoll(number);
}

static bool read_set(struct reader *reader, long number, const char *args)
{
    struct poll_set *set = reader->set;
    uint64_t arg[N_ARGS] = {0};
    char *end;

    for (size_t i = 0; i < N_ARGS; i++, args = end)
        arg[i] = strtoull(args, &end, 16);
    if (is_poll(number)) {
        set->has_limit = number == SYS_ppoll ? arg[2] != 0 : (int)arg[2] >= 0;
        return of_poll(reader, arg[0], arg[1]);
    }
    if (is_select(number)) {
        set->has_limit = arg[4] != 0;
        return of_select(reader, arg);
    }
    assert(is_epoll(number));
    set->has_limit = number == SYS_epoll_pwait2 ? arg[3] != 0 : (int)arg[3] >= 0;
    return of_epoll(reader, arg[0]);
}

bool poll_set_read(struct poll_set *set, pid_t pid, ino_t input, long number, const char *args)
{
    struct reader reader = {pid, input, set, 0};
    bool is_read;

    assert(pid > 0);
    *set = (struct poll_set){0};
    is_read = read_set(&reader, number, args);
    if (!is_read)
        *set = (struct poll_set){0};
    return is_read;
}

#pragma once

/*
 * stdin_probe - see whether a process has come to the point of waiting for its input.
 *
 * Asked while a process starts, and where nothing else tells whether a first answer, or one that is
 * none, was its last word. The kernel tells through /proc/PID/syscall; where it does not (a thread
 * reads, hidepid), the caller goes without. A worker of another user is looked at as that user:
 * containers take from root the right to look into others.
 */

#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/types.h>

struct privileges;

enum stdin_probe_state {
    STDIN_PROBE_UNKNOWN, /* cannot be seen here */
    STDIN_PROBE_NO,      /* blocked in something else */
    STDIN_PROBE_RUNS,    /* at work, or would be if it had a processor */
    STDIN_PROBE_POLLS, /* its main thread is blocked in a poll: for its input, or for something else */
    STDIN_PROBE_YES, /* ... in a read of descriptor 0 */
};

struct stdin_probe {
    int fd;                              /* /proc/PID/syscall, -1: closed, or not to be had yet */
    pid_t pid;                           /* 0: nobody is looked at */
    const struct privileges *privileges; /* borrowed: whose the process is; NULL: ours */
    bool borrows;                        /* we may not look ourselves */
};

void stdin_probe_open(struct stdin_probe *stdin_probe, pid_t pid,
                      const struct privileges *privileges);
void stdin_probe_close(struct stdin_probe *stdin_probe);
enum stdin_probe_state stdin_probe_look(struct stdin_probe *stdin_probe);

/* Calls that newer architectures do not have. */
#ifdef SYS_poll
#define STDIN_PROBE_POLL   SYS_poll
#define STDIN_PROBE_SELECT SYS_select
#define STDIN_PROBE_EPOLL  SYS_epoll_wait
#else
#define STDIN_PROBE_POLL   (-2)
#define STDIN_PROBE_SELECT (-2)
#define STDIN_PROBE_EPOLL  (-2)
#endif

#pragma once

/*
 * waits - see whether a process has come to the point of waiting for its input.
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

enum waits_state {
    WAITS_UNKNOWN, /* cannot be seen here */
    WAITS_NO,      /* blocked in something else */
    WAITS_RUNS,    /* at work, or would be if it had a processor */
    WAITS_POLLS,   /* its main thread is blocked in a poll: for its input, or for something else */
    WAITS_YES,     /* ... in a read of descriptor 0 */
};

struct waits {
    int fd;                              /* /proc/PID/syscall, -1: closed, or not to be had yet */
    pid_t pid;                           /* 0: nobody is looked at */
    const struct privileges *privileges; /* borrowed: whose the process is; NULL: ours */
    bool borrows;                        /* we may not look ourselves */
};

void waits_open(struct waits *waits, pid_t pid, const struct privileges *privileges);
void waits_close(struct waits *waits);
enum waits_state waits_look(struct waits *waits);

/* Calls that newer architectures do not have. */
#ifdef SYS_poll
#define WAITS_POLL   SYS_poll
#define WAITS_SELECT SYS_select
#define WAITS_EPOLL  SYS_epoll_wait
#else
#define WAITS_POLL   (-2)
#define WAITS_SELECT (-2)
#define WAITS_EPOLL  (-2)
#endif

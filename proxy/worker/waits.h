#pragma once

/*
 * waits - see whether a process has come to the point of waiting for its input.
 *
 * The line protocol has no ids: an answer belongs to the line that was read last. So a worker that
 * did not announce itself gets its next line only once it is seen waiting for it: whatever it wrote
 * before then (a late acknowledgement, a second answer) is in the pipe already and is known to be
 * stale. The kernel tells through /proc/PID/syscall; where it does not (a thread reads, hidepid),
 * the caller goes without. A worker of another user is looked at as that user: containers take from
 * root the right to look into others.
 */

#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/types.h>

struct privileges;

enum waits_state {
    WAITS_UNKNOWN, /* cannot be seen here */
    WAITS_NO,      /* blocked in something else */
    WAITS_RUNS,    /* at work, or would be if it had a processor */
    WAITS_YES,     /* its main thread is blocked in a read of descriptor 0 or in a poll */
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
/* Whether a signal has stopped it (SIGSTOP): where it stands then says nothing. */
bool waits_is_stopped(const struct waits *waits);

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

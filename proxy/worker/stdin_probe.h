#pragma once

/*
 * stdin_probe - see in /proc/PID/task/TID/syscall whether a process waits for its input.
 *
 * The main thread is looked at first. If it waits for something else, the other threads are looked
 * at, and one that is found in a read of descriptor 0 is looked at first from then on. Where the
 * kernel shows nothing (hidepid), the answer is STDIN_PROBE_UNKNOWN. A worker of another user is
 * inspected as that user: in containers root lacks the right to inspect others.
 */

#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/types.h>

struct privileges;

enum stdin_probe_state {
    STDIN_PROBE_UNKNOWN, /* cannot be seen here */
    STDIN_PROBE_NO,      /* blocked in something else */
    STDIN_PROBE_RUNS,    /* running, or ready to run */
    STDIN_PROBE_POLLS,   /* its main thread is blocked in a poll, perhaps for its input */
    STDIN_PROBE_YES,     /* a thread is blocked in a read of descriptor 0 */
};

struct stdin_probe {
    int fd;                              /* the thread's file in /proc; -1: not open, or not yet */
    pid_t pid;                           /* 0: none */
    pid_t tid;                           /* the thread that is looked at */
    unsigned n_vain;                     /* looks at all threads that found nothing, in a row */
    unsigned n_until;                    /* looks at one thread before the next at all threads */
    const struct privileges *privileges; /* borrowed: of the process's user; NULL: ours */
    bool borrows;                        /* the file can be read only as that user */
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

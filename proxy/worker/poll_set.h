#pragma once

/*
 * poll_set - what a thread that is blocked in poll(), select(), epoll_wait() or one of their
 * variants waits for: read in /proc/PID/mem and /proc/PID/fdinfo.
 */

#include <sys/syscall.h>
#include <sys/types.h>

enum poll_set {
    POLL_SET_UNKNOWN,       /* cannot be read, or larger than what is read */
    POLL_SET_WITHOUT_INPUT, /* descriptor 0 is not in the set */
    POLL_SET_WITH_INPUT,    /* ... is, among others, or there is a time limit */
    POLL_SET_INPUT_ALONE,   /* it waits for descriptor 0 and nothing else, without a limit */
};

/* number: of the system call. args: its arguments as in /proc/PID/syscall, " 0x7ffd... 0x1 ...". */
enum poll_set poll_set_read(pid_t pid, long number, const char *args);

/* Calls that newer architectures do not have. */
#ifdef SYS_poll
#define POLL_SET_POLL   SYS_poll
#define POLL_SET_SELECT SYS_select
#define POLL_SET_EPOLL  SYS_epoll_wait
#else
#define POLL_SET_POLL   (-2)
#define POLL_SET_SELECT (-2)
#define POLL_SET_EPOLL  (-2)
#endif

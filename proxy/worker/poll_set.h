#pragma once

/*
 * poll_set - what a thread that is blocked in poll(), select(), epoll_wait() or one of their
 * variants waits for: read in /proc/PID/mem and /proc/PID/fdinfo.
 */

#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/types.h>

/* What a thread waits for. */
struct poll_set {
    bool has_input;    /* the process's input is among it, under any descriptor number */
    bool has_limit;    /* the thread waits for a limited time */
    unsigned n_others; /* number of descriptors that are not the process's input */
};

/* Read what a thread of this process waits for. input: inode of the pipe that is the process's
 * input, 0: not known. number: of the system call. args: its arguments as in /proc/PID/syscall,
 * " 0x7ffd... 0x1 ...". false: it cannot be read, or is larger than what is read; *set is then all
 * zero. */
bool poll_set_read(struct poll_set *set, pid_t pid, ino_t input, long number, const char *args);
/* Whether this descriptor of the process is its input. Where that cannot be seen, 0 is. */
bool poll_set_is_input(pid_t pid, ino_t input, unsigned long fd);
/* Like poll_set_is_input(), with the descriptor's path in /proc. unseen: the result where that
 * cannot be seen. */
bool poll_set_is_input_at(const char *path, ino_t input, bool unseen);

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

#pragma once

/*
 * poll_set - find out what a thread waits for that is blocked in poll(), select(), epoll_wait() or
 * one of their variants. /proc/PID/mem and /proc/PID/fdinfo tell.
 */

#include <stdbool.h>
#include <sys/types.h>

/* What a thread waits for. */
struct poll_set {
    bool has_input;    /* one of the descriptors is the process's input, whatever its number */
    bool has_limit;    /* the wait has a time limit */
    unsigned n_others; /* how many other descriptors the thread waits for */
};

/* Whether this system call is poll(), select(), epoll_wait() or a variant. */
bool poll_set_is_poll(long number);
/* Find out what a blocked thread of this process waits for. input: inode of the pipe that is the
 * process's input; 0: not known. number, args: the system call and its arguments as in
 * /proc/PID/syscall, " 0x7ffd... 0x1 ..."; poll_set_is_poll(number) must hold. false, with *set all
 * zero: the arguments cannot be read, or they name too many descriptors. */
bool poll_set_read(struct poll_set *set, pid_t pid, ino_t input, long number, const char *args);
/* Whether this descriptor of the process is its input. If /proc does not show that, descriptor 0 is
 * assumed to be the input. */
bool poll_set_is_input(pid_t pid, ino_t input, unsigned long fd);
/* Like poll_set_is_input(), for the descriptor with this path in /proc. unseen: the result if /proc
 * does not show whether the descriptor is the input. */
bool poll_set_is_input_at(const char *path, ino_t input, bool unseen);

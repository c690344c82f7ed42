#pragma once

/*
 * stdin_probe - see in /proc/PID/task/TID/syscall whether a process waits for its input.
 *
 * A read of descriptor 0 counts only while that is the pipe that the process was started with: a
 * shell that reads another file for a while has that file as descriptor 0.
 *
 * The main thread is examined first. If it waits for something else, the other threads are
 * examined, and a thread that is found waiting for input is examined first from then on. If the
 * kernel shows nothing (hidepid), the result is STDIN_PROBE_UNKNOWN. A worker of another user is
 * inspected as that user: in containers root lacks the right to inspect other users' processes.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "worker/poll_set.h"

struct privileges;

enum stdin_probe_state {
    STDIN_PROBE_UNKNOWN, /* the kernel does not show what the process does */
    STDIN_PROBE_NO,      /* the process is blocked, but not in a wait for input */
    STDIN_PROBE_RUNS,    /* the process is running, or ready to run */
    STDIN_PROBE_POLLS,   /* a thread is blocked in a poll, perhaps for input */
    /* a thread polls for input and, unlike when the process was idle, for more descriptors or with
     * a time limit */
    STDIN_PROBE_AWAITS,
    STDIN_PROBE_YES, /* a thread waits for input, and for nothing else */
};

struct stdin_probe {
    int fd;                 /* /proc/PID/task/TID/syscall, opened; -1: not open yet */
    pid_t pid;              /* the process; 0: none */
    pid_t tid;              /* the thread that is examined first */
    ino_t input;            /* inode of the input pipe; 0: not known */
    char input_path[24];    /* path in /proc of the process's descriptor 0 */
    struct poll_set polled; /* what the thread waited for in the last poll seen */
    /* value of `polled` when the process was idle; not known if has_input is false */
    struct poll_set idle;
    unsigned n_searches; /* searches of all threads in a row that found none waiting for input */
    unsigned n_until;    /* how often to examine one thread only before all are examined again */
    const struct privileges *privileges; /* rights of the process's user; borrowed; NULL: ours */
    bool borrows;                        /* `fd` can be read only with those rights */
};

/* Begin with a new process. in: our end of its input pipe, borrowed; -1: not known. */
void stdin_probe_open(struct stdin_probe *stdin_probe, pid_t pid, int in,
                      const struct privileges *privileges);
void stdin_probe_close(struct stdin_probe *stdin_probe);
enum stdin_probe_state stdin_probe_look(struct stdin_probe *stdin_probe);
/* Like stdin_probe_look(), but make a few more system calls to find out what a blocked poll waits
 * for. STDIN_PROBE_YES: only for input. STDIN_PROBE_NO: not for input. STDIN_PROBE_AWAITS: for
 * input and, unlike when the process was idle, for more descriptors or with a time limit.
 * STDIN_PROBE_POLLS: any other poll. Only this function finds input on descriptors other than 0. */
enum stdin_probe_state stdin_probe_look_closely(struct stdin_probe *stdin_probe);
/* Call when the process has no activation: remembers what it polls for, which
 * stdin_probe_look_closely() compares with later polls. */
void stdin_probe_note_idle(struct stdin_probe *stdin_probe);

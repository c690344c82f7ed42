#pragma once

/*
 * stdin_probe - see in /proc/PID/task/TID/syscall whether a process waits for its input.
 *
 * Descriptor 0 must still be the pipe that the process was started with: a shell that reads from
 * another file for a while has that as descriptor 0.
 *
 * The main thread is looked at first. If it waits for something else, the other threads are looked
 * at, and one that is found in a read of descriptor 0 is looked at first from then on. Where the
 * kernel shows nothing (hidepid), the answer is STDIN_PROBE_UNKNOWN. A worker of another user is
 * inspected as that user: in containers root lacks the right to inspect others.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "worker/poll_set.h"

struct privileges;

enum stdin_probe_state {
    STDIN_PROBE_UNKNOWN, /* cannot be seen here */
    STDIN_PROBE_NO,      /* blocked in something else */
    STDIN_PROBE_RUNS,    /* running, or ready to run */
    STDIN_PROBE_POLLS,   /* its main thread is blocked in a poll, perhaps for its input */
    STDIN_PROBE_AWAITS,  /* its main thread polls its input, and more than when it was idle */
    STDIN_PROBE_YES,     /* a thread waits for input on descriptor 0, and for nothing else */
};

struct stdin_probe {
    int fd;                              /* the thread's file in /proc; -1: not open, or not yet */
    pid_t pid;                           /* 0: none */
    pid_t tid;                           /* the thread that is looked at */
    ino_t input;                         /* of the pipe that is its input; 0: not known */
    char input_path[24];                 /* path in /proc of its descriptor 0 */
    struct poll_set polled;              /* what the last poll that was found waits for */
    struct poll_set idle;                /* the same when it was idle; without input: not known */
    unsigned n_vain;                     /* looks at all threads that found nothing, in a row */
    unsigned n_until;                    /* looks at one thread before the next at all threads */
    const struct privileges *privileges; /* rights of the process's user; borrowed; NULL: ours */
    bool borrows;                        /* the file in /proc can be read only as that user */
};

/* in: our end of the pipe that is the process's input, borrowed; -1: not known. */
void stdin_probe_open(struct stdin_probe *stdin_probe, pid_t pid, int in,
                      const struct privileges *privileges);
void stdin_probe_close(struct stdin_probe *stdin_probe);
enum stdin_probe_state stdin_probe_look(struct stdin_probe *stdin_probe);
/* Like stdin_probe_look(), but find out what a blocked poll waits for, by a few more system calls:
 * STDIN_PROBE_YES if for nothing but input, STDIN_PROBE_NO if for anything but input,
 * STDIN_PROBE_AWAITS if for input and, unlike when it was idle, for a limited time or for more
 * descriptors, else STDIN_PROBE_POLLS. Only here may input have another number than 0. */
enum stdin_probe_state stdin_probe_look_closely(struct stdin_probe *stdin_probe);
/* The process has no activation: remember what it polls, for stdin_probe_look_closely(). */
void stdin_probe_note_idle(struct stdin_probe *stdin_probe);

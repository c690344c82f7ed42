#pragma once

/*
 * death - why a process of the action ended, as a word for the log and the metrics and as an error
 * text.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct oom;

/* A new cause needs a row in death.c and in docs/monitoring.md. */
enum death {
    DEATH_NONE,          /* running, or never started */
    DEATH_EXITED,        /* it exited by itself, with an exit status */
    DEATH_SIGNALLED,     /* ended by a signal not sent by us: a crash, or a kill from outside */
    DEATH_DEADLINE,      /* ended by us: an activation's deadline passed */
    DEATH_START_TIMEOUT, /* ended by us: it was not ready within --init-timeout */
    DEATH_REFUSED,       /* its ready line reports a failure, or is malformed */
    DEATH_HUNG,          /* ended by us: it closed its pipes, read no more, or was suspended */
    DEATH_STOPPED,       /* ended by us: the proxy shuts down, or new code replaced the action */
    DEATH_MEMORY,        /* killed by the kernel: the container is out of memory */
    DEATH_CPU,           /* killed by the kernel: --rlimit-cpu was exceeded */
    DEATH_FILE_SIZE,     /* killed by the kernel: --rlimit-fsize was exceeded */
    DEATH_UNSPAWNED,     /* it could not be started at all */
    N_DEATHS
};

/*
 * Why a process ended.
 * wait_status  from waitpid()
 * told         why we ended the process; DEATH_NONE: we did not
 * killed       we sent SIGKILL, not only SIGTERM
 * oom          recognizes kills for lack of memory; NULL: none are recognized
 * now_ms       loop time
 */
enum death death_of(int wait_status, enum death told, bool killed, struct oom *oom,
                    uint64_t now_ms);

/* The cause as a word for the log and the metrics. */
const char *death_name(enum death death);
/* The error text for a process that exceeded a limit; NULL for all other causes. */
const char *death_text(enum death death);
/* Write wait_status as "exit status 3" or "signal 9 (Killed)". is_program: the process may be
 * the user's own program, not a launcher of ours. Then the text for exit status 0 also tells how to
 * run a program that serves one activation and exits. */
void death_say_how(int wait_status, bool is_program, char *out, size_t size);
/* Fill err with the reason why a start failed: ERR_EXHAUSTED if the process exceeded a limit, else
 * ERR_ACTION. Returns -1. */
int death_explain(enum death death, bool reports_ready, struct err *err);

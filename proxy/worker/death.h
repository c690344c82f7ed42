#pragma once

/*
 * death - why a process of the action ended: one word for the log, the metrics and the error texts.
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
    DEATH_EXITED,        /* by itself, with a status */
    DEATH_SIGNALLED,     /* by a signal that we did not send: a crash, a kill from outside */
    DEATH_DEADLINE,      /* ended by us: an activation's deadline passed */
    DEATH_START_TIMEOUT, /* ended by us: it was not ready within --init-timeout */
    DEATH_REFUSED,       /* its ready line reports a failure, or is malformed */
    DEATH_HUNG,          /* ended by us: it closed its pipes, is stopped or no longer reads */
    DEATH_STOPPED,       /* ended by us: shutdown, or its version was replaced */
    DEATH_MEMORY,        /* killed by the kernel: the container is out of memory */
    DEATH_CPU,           /* killed by the kernel: --rlimit-cpu was exceeded */
    DEATH_FILE_SIZE,     /* killed by the kernel: --rlimit-fsize was exceeded */
    DEATH_UNSPAWNED,     /* it could not be started at all */
    N_DEATHS
};

/*
 * Why a process ended.
 * wait_status  from waitpid()
 * told         why we ended it; DEATH_NONE: we did not
 * killed       we sent SIGKILL, not only SIGTERM
 * oom          NULL: deaths for lack of memory are not recognized
 * now_ms       loop time
 */
enum death death_of(int wait_status, enum death told, bool killed, struct oom *oom,
                    uint64_t now_ms);

/* The word for the log and the metrics. */
const char *death_name(enum death death);
/* The error text for a process that exceeded a limit; NULL for all other causes. */
const char *death_text(enum death death);
/* "exit status 3", or "signal 9 (Killed)". */
void death_say_how(int wait_status, char *out, size_t size);
/* Say in err why a start failed: ERR_EXHAUSTED if the process exceeded a limit, else ERR_ACTION.
 * Returns -1. */
int death_explain(enum death death, bool reports_ready, struct err *err);

#pragma once

/*
 * death - why a process of the action ended: one word for the log, the metrics and the answers to
 * its jobs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct oom;

/* Another one: a row in death.c, and in docs/monitoring.md. */
enum death {
    DEATH_NONE,          /* running, or never started */
    DEATH_EXITED,        /* by itself, with a status */
    DEATH_SIGNALLED,     /* by a signal that is not ours: a crash, somebody's kill */
    DEATH_DEADLINE,      /* ended by us: an activation's deadline passed */
    DEATH_START_TIMEOUT, /* ... it was not ready in time */
    DEATH_REFUSED,       /* its ready line says no, or is none */
    DEATH_HUNG,          /* ended by us: it closed its answers, or does not read any more */
    DEATH_STOPPED,       /* ended by us: it is not wanted any more */
    DEATH_MEMORY,        /* by the kernel: the container's memory was used up */
    DEATH_CPU,           /* ... --rlimit-cpu was */
    DEATH_FILE_SIZE,     /* ... --rlimit-fsize was */
    DEATH_UNSPAWNED,     /* the system or the program did not let it begin */
    N_DEATHS
};

/*
 * wait_status  as from waitpid
 * told         why we told it to end; DEATH_NONE: we did not
 * killed       ... and it got SIGKILL from us, not SIGTERM alone
 * oom          NULL when nobody counts
 * now_ms       loop time
 */
enum death death_of(int wait_status, enum death told, bool killed, struct oom *oom,
                    uint64_t now_ms);

/* The label. */
const char *death_name(enum death death);
/* What its activation is answered when it passed a limit; NULL: it did not. */
const char *death_text(enum death death);
/* "exit status 3", or "signal 9 (Killed)". */
void death_say_how(int wait_status, char *out, size_t size);
/* Why its start failed; -1: ERR_EXHAUSTED when it passed a limit, else ERR_ACTION. */
int death_explain(enum death death, bool reports_ready, struct err *err);

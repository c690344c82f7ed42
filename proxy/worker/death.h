#pragma once

/*
 * death - what a process of the action died of.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct oom;

enum death {
    DEATH_NONE,      /* running, or never started */
    DEATH_EXIT,      /* it ended by itself, whatever its status */
    DEATH_SIGNAL,    /* a signal that was not ours: a crash, somebody's kill */
    DEATH_WANTED,    /* we had told it to end: late, hung, refused, not wanted any more */
    DEATH_MEMORY,    /* the container's memory was used up */
    DEATH_CPU,       /* its processor time was, --rlimit-cpu */
    DEATH_FILE_SIZE, /* it wrote a file beyond --rlimit-fsize */
    DEATH_COUNT,
};

/* wait_status: as from waitpid. wanted: we had told it to end. oom: NULL when nobody counts.
 * now_ms: loop time. */
enum death death_of(int wait_status, bool wanted, struct oom *oom, uint64_t now_ms);

/* What its activation is answered when it passed a limit; NULL: it did not. */
const char *death_text(enum death death);
/* "exit status 3", or "signal 9 (Killed)". */
void death_say_how(int wait_status, char *out, size_t size);
/* Why its start failed; -1: ERR_EXHAUSTED when it passed a limit, else ERR_ACTION. */
int death_explain(enum death death, bool reports_ready, struct err *err);

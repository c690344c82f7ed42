#pragma once

/*
 * ending - how a process is made to end, one step after the other until it is gone: the end of its
 * input, which a launcher takes as the wish to leave in order, then SIGTERM, then SIGKILL.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct loop;
struct loop_timer;

struct ending {
    struct loop *loop;        /* borrowed */
    struct loop_timer *timer; /* borrowed; set to the moment at which to step */
    uint64_t patience_ms;     /* before each further step */
    int signo;                /* what its group gets next; 0: nothing more can be done */
    uint64_t at_ms;           /* when */
};

void ending_init(struct ending *ending, struct loop *loop, struct loop_timer *timer,
                 uint64_t patience_ms);
/* Its input was closed: SIGTERM follows. */
void ending_ask(struct ending *ending);
/* SIGTERM now; SIGKILL follows. */
void ending_tell(struct ending *ending, pid_t pid);
/* SIGKILL now. */
void ending_kill(struct ending *ending, pid_t pid);
/* It got SIGKILL. */
static inline bool ending_has_killed(const struct ending *ending)
{
    return ending->signo == 0;
}
/* Send what is due. hurried: there is no time to wait for one that was only asked. */
void ending_step(struct ending *ending, pid_t pid, bool hurried);

#pragma once

/*
 * spawn - start one process with four pipes.
 *
 * The child has the pipes as descriptors 0 to 3, perhaps the ring (base/ring.h) as 4, and no other
 * descriptors of ours. It has a process group of its own, default signal handling, an empty signal
 * mask, and no more rights than the exec spec allows. The kernel sends it SIGKILL when the proxy
 * ends. The pipes belong to the child's user, who may therefore open them by path.
 *
 * Without --user the child is started by vfork. No page table is copied, so this takes microseconds
 * whatever the proxy's size, and the result of exec is known on return. Source: library-facts, F.
 * With --user it is started by fork: processes of that user may stop the child before exec, and
 * with vfork that would stop us, too. After fork we wait for exec, but not long.
 */

#include <sys/types.h>

#include "base/util.h"

struct err;
struct privileges;
struct exec_spec;

/* A process that was started, and our ends of its pipes. The caller owns them all. */
struct spawned {
    pid_t pid; /* the child's process id and process group */
    int in;    /* to the child's descriptor 0; we write */
    int fd1;   /* fd1 to fd3: from the child's descriptors 1 to 3; we read */
    int fd2;
    int fd3;
    unsigned mark; /* finds the child's descendants (base/kin.h); give it back with kin_end() */
    int ring;      /* memory shared with the child, for its answers (base/ring.h); -1: none */
};

/* A struct spawned with no process and no descriptor. */
#define SPAWNED_NONE                                                                               \
    ((struct spawned){.pid = 0, .in = -1, .fd1 = -1, .fd2 = -1, .fd3 = -1, .ring = -1, .mark = 0})
/* Close the descriptors and set them to -1. The process is not ended. May be called twice. */
static inline void spawned_close(struct spawned *spawned)
{
    fd_close(&spawned->in);
    fd_close(&spawned->fd1);
    fd_close(&spawned->fd2);
    fd_close(&spawned->fd3);
    fd_close(&spawned->ring);
}

/*
 * Start spec->argv in spec->cwd with spec->env.
 *
 * pipe_bytes  wanted size of pipes 0, 1 and 3; the system's default if it is 0 or refused
 * Returns     0: *spawned is set. -1: err is ERR_ACTION or ERR_CODE if the program cannot be run
 *             (err->os holds errno), ERR_SYSTEM if the system or our settings are the cause: no
 *             process or pipe, a folder that cannot be entered, rights that cannot be set.
 */
int spawn_start(const struct exec_spec *spec, int pipe_bytes, struct spawned *spawned,
                struct err *err);

/*
 * Make only the pipes, for a worker that the zygote forks (pool/zygote.h). ours: our ends; pid and
 * mark are not set. theirs: descriptors 0 to 3 for that worker, close-on-exec, owned by the caller.
 * Returns 0; or -1 with ERR_SYSTEM, and nothing is set.
 */
int spawn_pipes(int pipe_bytes, const struct privileges *privileges, struct spawned *ours,
                int theirs[4], struct err *err);

/* Send a signal to the process `pid`, which has not been reaped, and to the process group `pid`.
 * The process may be in another group by now. */
void spawn_kill(pid_t pid, int signo);
/* Send a signal to the process group `pid`, even if the process that led it has ended. */
void spawn_kill_group(pid_t pid, int signo);

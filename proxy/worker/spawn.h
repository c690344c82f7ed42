#pragma once

/*
 * spawn - start one process with four pipes.
 *
 * The child gets descriptors 0 to 3, perhaps the ring as 4, and no others of ours, its own process
 * group, SIGKILL when the proxy ends, default signal handling, an empty signal mask, and no more
 * rights than the exec spec allows. The pipes belong to its user, who may therefore open them by
 * path.
 *
 * Without --user the child is started by vfork: no page table is copied, which takes microseconds
 * whatever the proxy's size, and the result of exec is known on return. Source: library-facts F. As
 * another user (--user) it is started by fork: before exec, processes of that user may stop the
 * child, and with vfork that would stop us, too. With fork we wait for exec at most SPAWN_WAIT_MS.
 */

#include <sys/types.h>

#include "base/util.h"

struct err;
struct privileges;
struct exec_spec;

/* Our ends of the pipes; all owned by the caller. */
struct spawned {
    pid_t pid; /* also its process group */
    int in;    /* the child's descriptor 0; we write */
    int fd1;   /* fd1 to fd3: its descriptors 1 to 3; we read */
    int fd2;
    int fd3;
    unsigned mark; /* marks its descendants (base/kin.h); the caller gives it back with kin_end() */
    int ring;      /* memory for answers, -1: none; base/ring.h */
};

#define SPAWN_WAIT_MS 100 /* longest wait for exec; a failure after that is seen as an exit */

/* No process and nothing open. */
#define SPAWNED_NONE                                                                               \
    ((struct spawned){.pid = 0, .in = -1, .fd1 = -1, .fd2 = -1, .fd3 = -1, .ring = -1, .mark = 0})
/* Close the descriptors and leave -1; the process goes on. May be called twice. */
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
 * pipe_bytes  wanted size of pipes 0, 1 and 3; the system's default if that is refused
 * Returns     0, *spawned is set; or -1: ERR_ACTION or ERR_CODE if the program cannot be run
 *             (err->os holds errno), ERR_SYSTEM if the system or our settings are the cause: no
 *             process or pipe, a folder that cannot be entered, rights that cannot be set.
 */
int spawn_start(const struct exec_spec *spec, int pipe_bytes, struct spawned *spawned,
                struct err *err);

/*
 * Make only the pipes, for a process that the zygote forks. ours->pid and ours->mark are not set.
 * theirs: descriptors 0 to 3 of that process, close-on-exec, owned by the caller. Returns 0, or -1:
 * ERR_SYSTEM, nothing is set.
 */
int spawn_pipes(int pipe_bytes, const struct privileges *privileges, struct spawned *ours,
                int theirs[4], struct err *err);

/* Send a signal to the process group, also after its leader has ended. */
void spawn_kill(pid_t pid, int signo);

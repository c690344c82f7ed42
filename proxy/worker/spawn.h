#pragma once

/*
 * spawn - start one process with four pipes.
 *
 * The child gets descriptors 0 to 3 and nothing else of ours, its own process group, SIGKILL when
 * we die, default signal handling, an empty signal mask, and no more rights than the exec spec
 * gives it; the pipes are its user's, who may so open them by path.
 *
 * As our own user it is started by vfork: no page table is copied, so it takes microseconds
 * whatever the proxy's size, and the outcome of exec is known on return. Source: library-facts F.
 * As another user (--user) it is started by fork: between the change of user and exec the action's
 * processes may stop it, and vfork would stop us with it. Then we wait SPAWN_WAIT_MS at most.
 */

#include <sys/types.h>

struct err;
struct privileges;
struct exec_spec;

/* Our ends of the pipes; all owned by the caller. */
struct spawned {
    pid_t pid; /* also its process group */
    int in;    /* the child's descriptor 0; we write */
    int fd1;   /* ... 1, 2, 3; we read */
    int fd2;
    int fd3;
    unsigned mark; /* base/kin.h; the caller's, who gives it back by kin_end() */
    int ring;      /* memory for answers, -1: none; base/ring.h */
};

#define SPAWN_WAIT_MS 100 /* longest wait for exec; what fails later is an end of the process */

/* No process and nothing open. */
#define SPAWNED_NONE                                                                               \
    ((struct spawned){.pid = 0, .in = -1, .fd1 = -1, .fd2 = -1, .fd3 = -1, .ring = -1, .mark = 0})
/* Closes them, leaves -1; the process is not asked. May be called twice. */
void spawned_close(struct spawned *spawned);

/*
 * Start spec->argv in spec->cwd with spec->env.
 *
 * pipe_bytes  wanted size of pipes 0, 1 and 3; the system's default when it cannot be had
 * Returns     0, or -1: ERR_ACTION when exec or chdir failed (err->os holds errno), ERR_SYSTEM when
 *             no process or pipe is to be had, or its rights cannot be set. *spawned is set on success only.
 */
int spawn_start(const struct exec_spec *spec, int pipe_bytes, struct spawned *spawned,
                struct err *err);

/*
 * The pipes alone, for a process that somebody else starts. ours->pid and mark stay; theirs: what
 * is to become descriptors 0 to 3 of that process, close-on-exec, owned by the caller.
 * Returns 0, or -1: ERR_SYSTEM, nothing is set.
 */
int spawn_pipes(int pipe_bytes, const struct privileges *privileges, struct spawned *ours,
                int theirs[4], struct err *err);

/* The group of a process that was started here gets the signal, also after it has ended itself. */
void spawn_kill(pid_t pid, int signo);

#include "worker/spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/launch.h"
#include "base/util.h"

#define SPAWN_FD_MIN 10 /* our ends lie above the child's 0 to 3, so that dup2 hits none of them */

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* A pipe, or a pair of sockets, whose both ends are close-on-exec and lie at SPAWN_FD_MIN or above. */
static int high_pair(int ends[2], bool sockets, int pipe_bytes)
{
    int low[2];

    if ((sockets ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, low)
                 : pipe2(low, O_CLOEXEC)) < 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, SPAWN_FD_MIN);
        (void)close(low[i]);
    }
    if (ends[0] < 0 || ends[1] < 0) {
        fd_close(&ends[0]);
        fd_close(&ends[1]);
        return -1;
    }
    /* Refused beyond the user's share of pipe memory; any size is correct, a larger one is faster. */
    if (pipe_bytes > 0 && !sockets)
        (void)fcntl(ends[0], F_SETPIPE_SZ, pipe_bytes);
    return 0;
}

static const char *env_value(char *const *env, const char *name)
{
    size_t n = strlen(name);

    for (; env != NULL && *env != NULL; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return *env + n + 1;
    return NULL;
}

/* Where to find a bare name, as a shell would in the child's own PATH. false: nowhere. */
static bool find_program(const struct launch *launch, char *path, size_t size)
{
    const char *name = launch->argv[0];
    const char *folders = env_value(launch->env, "PATH");

    if (strchr(name, '/') != NULL)
        return (size_t)snprintf(path, size, "%s", name) < size;
    for (const char *at = folders != NULL ? folders : default_path; *at != '\0';) {
        size_t n = strcspn(at, ":");

        if (n > 0 && (size_t)snprintf(path, size, "%.*s/%s", (int)n, at, name) < size &&
            access(path, X_OK) == 0)
            return true;
        at += n + (at[n] == ':');
    }
    return false;
}

/*
 * Between vfork and exec the parent's memory is ours too: system calls only, nothing allocated,
 * and the outcome goes back through *failed. Every signal is blocked until the mask is emptied.
 */
__attribute__((noinline)) static pid_t vfork_exec(const struct launch *launch, const char *path,
                                                  const int ends[4], volatile int *failed)
{
    pid_t parent = getpid();
    pid_t pid = vfork();

    if (pid != 0)
        return pid;
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127); /* we were orphaned before the line above took effect */
    for (int fd = 0; fd < 4; fd++)
        if (dup2(ends[fd], fd) < 0)
            *failed = errno;
    if (*failed == 0 && launch->cwd != NULL && chdir(launch->cwd) < 0)
        *failed = errno;
    if (*failed == 0) {
        sigset_t none;

        for (int signo = 1; signo < NSIG; signo++) /* also what our own parent had us ignore */
            (void)signal(signo, SIG_DFL);
        /* What we inherited ourselves without close-on-exec is not for the action either. */
        (void)syscall(SYS_close_range, 4U, ~0U, (unsigned)CLOSE_RANGE_CLOEXEC);
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)execve(path, launch->argv, launch->env);
        *failed = errno;
    }
    _exit(127);
}

static int start(const struct launch *launch, const char *path, const int ends[4], pid_t *pid,
                 struct err *err)
{
    sigset_t all;
    sigset_t before;
    volatile int failed = 0;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    *pid = vfork_exec(launch, path, ends, &failed);
    if (*pid < 0)
        failed = errno;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (*pid < 0)
        return err_set(err, ERR_SYSTEM, failed, "cannot start a process: %s", strerror(failed));
    if (failed != 0) /* the child has ended; the loop reaps it */
        return err_set(err, ERR_ACTION, failed, "cannot run \"%s\": %s", launch->argv[0],
                       strerror(failed));
    return 0;
}

/* The four pipes, half of which go to the child. */
struct pipes {
    int ours[4];
    int theirs[4];
};

static void pipes_close(struct pipes *pipes)
{
    for (int i = 0; i < 4; i++) {
        fd_close(&pipes->ours[i]);
        fd_close(&pipes->theirs[i]);
    }
}

static int pipes_open(struct pipes *pipes, bool socket_in, int pipe_bytes, struct err *err)
{
    for (int i = 0; i < 4; i++) {
        int ends[2];

        if (high_pair(ends, i == 0 && socket_in, i == 2 ? 0 : pipe_bytes) < 0)
            return err_set(err, ERR_SYSTEM, errno, "cannot make a pipe: %s", strerror(errno));
        pipes->ours[i] = i == 0 ? ends[1] : ends[0];
        pipes->theirs[i] = i == 0 ? ends[0] : ends[1];
    }
    return 0;
}

/* Our ends are the caller's from now on. */
static void pipes_hand_over(struct pipes *pipes, struct spawned *spawned)
{
    spawned->in = pipes->ours[0];
    spawned->fd1 = pipes->ours[1];
    spawned->fd2 = pipes->ours[2];
    spawned->fd3 = pipes->ours[3];
    for (int i = 0; i < 4; i++)
        pipes->ours[i] = -1;
}

int spawn_pipes(int pipe_bytes, struct spawned *ours, int theirs[4], struct err *err)
{
    __attribute__((cleanup(pipes_close))) struct pipes pipes = {{-1, -1, -1, -1}, {-1, -1, -1, -1}};

    if (pipes_open(&pipes, false, pipe_bytes, err) < 0)
        return -1;
    pipes_hand_over(&pipes, ours);
    for (int i = 0; i < 4; i++) {
        theirs[i] = pipes.theirs[i];
        pipes.theirs[i] = -1;
    }
    return 0;
}

int spawn_start(const struct launch *launch, int pipe_bytes, struct spawned *spawned,
                struct err *err)
{
    __attribute__((cleanup(pipes_close))) struct pipes pipes = {{-1, -1, -1, -1}, {-1, -1, -1, -1}};
    char path[PATH_MAX];
    pid_t pid;

    assert(launch->argv != NULL && launch->argv[0] != NULL);
    if (!find_program(launch, path, sizeof(path)))
        return err_set(err, ERR_ACTION, ENOENT, "cannot run \"%s\": not found in PATH%s%s",
                       launch->argv[0], launch->shortfall != NULL ? "; it needs " : "",
                       launch->shortfall != NULL ? launch->shortfall : "");
    if (pipes_open(&pipes, launch->socket_in, pipe_bytes, err) < 0)
        return -1;
    if (start(launch, path, pipes.theirs, &pid, err) < 0)
        return -1;
    spawned->pid = pid;
    pipes_hand_over(&pipes, spawned);
    return 0;
}

void spawn_kill(pid_t pid, int signo)
{
    assert(pid > 1);
    (void)kill(-pid, signo);
}

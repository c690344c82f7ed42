#include "worker/spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/err.h"
#include "base/exec_diagnosis.h"
#include "base/exec_spec.h"
#include "base/kin.h"
#include "base/log.h"
#include "base/privileges.h"
#include "base/ring.h"
#include "base/util.h"

#define SPAWN_WAIT_MS 100 /* longest wait for exec; if exec fails later, we only see an exit */
#define SPAWN_LOOK_MS 5   /* while we wait for exec: time between checks if the child is stopped */
#define N_ENDS        (RING_FD + 1) /* descriptors of the child: four pipes and perhaps the ring */
#define SPAWN_FD_MIN  10 /* lowest number of a pipe end, so that dup2() to 0 to 4 overwrites none */

static_assert(SPAWN_FD_MIN >= N_ENDS, "dup2() would overwrite an end that is still needed");

/* Make a pipe or a socket pair, both ends close-on-exec and at SPAWN_FD_MIN or above. -1: errno is
 * set, and both ends are -1. */
static int high_pair(int ends[2], bool sockets, int pipe_bytes)
{
    static bool is_told; /* the failure below was logged: once for all pipes is enough */
    int low[2];

    assert(pipe_bytes >= 0);
    ends[0] = ends[1] = -1;
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
    /* Fails when the user's share of pipe memory is used up, which all containers of that user on
     * this machine have together. A small pipe works, but is slower. No warning: by default it
     * would be in the action's log. */
    if (pipe_bytes > 0 && !sockets && fcntl(ends[0], F_SETPIPE_SZ, pipe_bytes) < 0 && !is_told) {
        is_told = true;
        log_info("spawn.pipes", log_text("failed", strerror(errno)),
                 log_int("wanted_bytes", pipe_bytes),
                 log_text("see", "/proc/sys/fs/pipe-user-pages-soft"));
    }
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

/* Search the PATH of the child's environment for a program that the current user may run. */
static bool find_in_path(const struct exec_spec *spec, char *path, size_t size)
{
    const char *name = spec->argv[0];
    const char *folders = env_value(spec->env, "PATH");

    for (const char *at = folders != NULL ? folders : EXEC_SPEC_DEFAULT_PATH; *at != '\0';) {
        size_t n = strcspn(at, ":");

        if (n > 0 && (size_t)snprintf(path, size, "%.*s/%s", (int)n, at, name) < size &&
            faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0)
            return true;
        at += n + (at[n] == ':');
    }
    return false;
}

/* Find argv[0]. PATH may begin with folders that only root may enter, such as /root/.local/bin. So
 * search with the rights of the action's user first. If that user may run no program of this name,
 * take one that we may run: exec then fails, and its error text names the user. false: not
 * found. */
static bool find_program(const struct exec_spec *spec, char *path, size_t size)
{
    bool found;

    if (strchr(spec->argv[0], '/') != NULL)
        return (size_t)snprintf(path, size, "%s", spec->argv[0]) < size;
    privileges_borrow(spec->privileges);
    found = find_in_path(spec, path, size);
    privileges_return(spec->privileges);
    return found || find_in_path(spec, path, size);
}

/* How far the child got on its way to exec. */
enum step {
    STEP_ENTER, /* set limits and change the user */
    STEP_PIPES,
    STEP_FOLDER,
    STEP_EXEC,
    STEP_STOPPED, /* another process stopped the child before exec */
};

struct failure {
    enum step step;
    int os;   /* errno; 0: the program runs */
    int what; /* with STEP_ENTER: what failed, for privileges_explain() */
};

/* Do all steps before exec; return at the first failure. */
static void prepare(const struct exec_spec *spec, const int ends[N_ENDS], pid_t parent,
                    struct failure *failure)
{
    failure->what = child_enter(spec->privileges, true, parent, &failure->os);
    if (failure->what != 0)
        return;
    failure->step = STEP_PIPES;
    for (int fd = 0; fd < N_ENDS; fd++)
        if (ends[fd] >= 0 && dup2(ends[fd], fd) < 0) {
            failure->os = errno;
            return;
        }
    failure->step = STEP_FOLDER;
    if (spec->cwd != NULL && chdir(spec->cwd) < 0) {
        failure->os = errno;
        return;
    }
    /* Let exec close also the descriptors that the proxy inherited without close-on-exec. */
    child_forget(ends[RING_FD] >= 0 ? N_ENDS : RING_FD, CLOSE_RANGE_CLOEXEC);
}

/* In the child: run the program. Returns only if that fails; *failure says why. */
static void become_program(const struct exec_spec *spec, const char *path, const int ends[N_ENDS],
                           pid_t parent, struct failure *failure)
{
    (void)setpgid(0, 0);
    prepare(spec, ends, parent, failure);
    if (failure->os != 0)
        return;
    failure->step = STEP_EXEC;
    (void)execve(path, spec->argv, spec->env);
    failure->os = errno;
}

/*
 * Between vfork and exec the child uses our memory. So it only makes system calls, allocates
 * nothing, and passes a failure back in *told. All signals are blocked until child_forget().
 */
__attribute__((noinline)) static pid_t vfork_exec(const struct exec_spec *spec, const char *path,
                                                  const int ends[N_ENDS],
                                                  volatile struct failure *told)
{
    struct failure failure = {STEP_ENTER, 0, 0};
    pid_t parent = getpid();
    pid_t pid = vfork();

    if (pid != 0)
        return pid;
    become_program(spec, path, ends, parent, &failure);
    told->step = failure.step;
    told->what = failure.what;
    told->os = failure.os;
    _exit(127);
}

/* Like vfork_exec(), but memory is not shared: the child writes a failure to the pipe `report`,
 * which exec closes. */
__attribute__((noinline)) static pid_t fork_exec(const struct exec_spec *spec, const char *path,
                                                 const int ends[N_ENDS], int report)
{
    struct failure failure = {STEP_ENTER, 0, 0};
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    become_program(spec, path, ends, parent, &failure);
    (void)!write(report, &failure, sizeof(failure));
    _exit(127);
}

/* Whether a signal has stopped the process. A process that has ended is left for the loop to
 * reap. */
static bool is_stopped(pid_t pid)
{
    siginfo_t info = {.si_pid = 0};

    return waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid && info.si_code == CLD_STOPPED;
}

/* Wait until the child has run exec or reports a failure, at most SPAWN_WAIT_MS. *told is set only
 * by a failure. */
static void hear_report(pid_t pid, int report, volatile struct failure *told)
{
    struct pollfd look = {.fd = report, .events = POLLIN};
    struct failure failure;

    assert(pid > 0);
    for (int left_ms = SPAWN_WAIT_MS; left_ms > 0; left_ms -= SPAWN_LOOK_MS) {
        if (poll(&look, 1, SPAWN_LOOK_MS) > 0) {
            if (read(report, &failure, sizeof(failure)) == (ssize_t)sizeof(failure))
                *told = failure;
            return;
        }
        if (is_stopped(pid)) {
            (void)kill(pid, SIGKILL);
            *told = (struct failure){STEP_STOPPED, ECANCELED, 0};
            return;
        }
    }
}

/* Look at the action's file, with the action's rights, and say why it cannot run on this system.
 * false: no reason was found. */
static bool cannot_run_here(const struct exec_spec *spec, int os, char *why, size_t size)
{
    bool explained;

    privileges_borrow(spec->privileges);
    explained = exec_diagnosis_explain(spec->argv[0], os, why, size);
    privileges_return(spec->privileges);
    return explained;
}

/* Set err to why the program does not run. A failure caused by our settings is ERR_SYSTEM, which
 * does not blame the action. Returns -1. */
static int explain(const struct exec_spec *spec, const struct failure *failure, struct err *err)
{
    const struct privileges *privileges = spec->privileges;
    bool as_user = privileges_as_user(privileges);
    int os = failure->os;
    char why[sizeof(err->text)];

    assert(os != 0);
    if (failure->what != 0)
        return privileges_explain(privileges, failure->what, os, err);
    if (failure->step == STEP_STOPPED)
        return err_set(err, ERR_SYSTEM, os,
                       "cannot run \"%s\": another process of user %u (--user) stopped it",
                       spec->argv[0], (unsigned)privileges->uid);
    if (failure->step == STEP_EXEC && cannot_run_here(spec, os, why, sizeof(why)))
        return err_set(err, os == EACCES ? ERR_SYSTEM : ERR_CODE, os, "%s", why);
    if (failure->step == STEP_FOLDER && os == EACCES && as_user)
        return err_set(err, ERR_SYSTEM, os,
                       "user %u (--user) cannot enter folder \"%s\": %s; each folder above it must "
                       "let everybody pass, or set --action-dir",
                       (unsigned)privileges->uid, spec->cwd, strerror(os));
    if (failure->step == STEP_FOLDER)
        return err_set(err, ERR_SYSTEM, os, "cannot enter the action's folder \"%s\": %s",
                       spec->cwd, strerror(os));
    if (failure->step == STEP_EXEC && os == EACCES && as_user)
        return err_set(err, ERR_SYSTEM, os, "user %u (--user) cannot run \"%s\": %s",
                       (unsigned)privileges->uid, spec->argv[0], strerror(os));
    if (failure->step == STEP_EXEC && os == EAGAIN)
        return err_set(
            err, ERR_SYSTEM, os,
            "cannot run \"%s\": its user has as many processes as it may (--rlimit-nproc)",
            spec->argv[0]);
    (void)err_set(err, ERR_ACTION, os, "cannot run \"%s\": %s", spec->argv[0], strerror(os));
    privileges_borrow(privileges);
    if (failure->step == STEP_EXEC)
        exec_diagnosis_detail(spec->argv[0], os, err->detail, sizeof(err->detail));
    privileges_return(privileges);
    return -1;
}

/* Start a child that runs the program. Returns its process id, or -1 with errno. */
static pid_t start_process(const struct exec_spec *spec, const char *path, const int ends[N_ENDS],
                           volatile struct failure *told)
{
    auto_fd int report = -1;
    auto_fd int said = -1;
    int pair[2];
    pid_t pid;

    if (!privileges_as_user(spec->privileges))
        return vfork_exec(spec, path, ends, told);
    if (high_pair(pair, false, 0) < 0)
        return -1;
    report = pair[0];
    said = pair[1];
    pid = fork_exec(spec, path, ends, said);
    if (pid < 0)
        return -1;
    (void)setpgid(pid, pid); /* the child calls this, too; the first call wins */
    fd_close(&said);
    hear_report(pid, report, told);
    return pid;
}

static int start(const struct exec_spec *spec, const char *path, const int ends[N_ENDS], pid_t *pid,
                 struct err *err)
{
    sigset_t all;
    sigset_t before;
    volatile struct failure told = {STEP_ENTER, 0, 0};
    int os;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    *pid = start_process(spec, path, ends, &told);
    os = errno;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (*pid < 0)
        return err_set(err, ERR_SYSTEM, os, "cannot start a process: %s", strerror(os));
    if (told.os != 0) { /* the child ends, and the loop reaps it */
        struct failure failure = {told.step, told.os, told.what};

        return explain(spec, &failure, err);
    }
    return 0;
}

/* Both ends of the four pipes, and two descriptors of the ring (memory shared with the child): one
 * for us, one for the child. */
struct pipes {
    int ours[N_ENDS];
    int theirs[N_ENDS];
};

#define PIPES_NONE ((struct pipes){{-1, -1, -1, -1, -1}, {-1, -1, -1, -1, -1}})

static void pipes_close(struct pipes *pipes)
{
    for (int i = 0; i < N_ENDS; i++) {
        fd_close(&pipes->ours[i]);
        fd_close(&pipes->theirs[i]);
    }
}

/* Make the four pipes and give them to the child's user, who may then open them by path. Both ends
 * of a pipe are one inode, so changing the owner of one end changes both. */
static int pipes_open(struct pipes *pipes, bool socket_in, int pipe_bytes,
                      const struct privileges *privileges, struct err *err)
{
    for (int i = 0; i < 4; i++) {
        int ends[2];

        if (high_pair(ends, i == 0 && socket_in, i == 2 ? 0 : pipe_bytes) < 0)
            return err_set(err, ERR_SYSTEM, errno, "cannot make a pipe: %s", strerror(errno));
        pipes->ours[i] = i == 0 ? ends[1] : ends[0];
        pipes->theirs[i] = i == 0 ? ends[0] : ends[1];
        if (privileges_give_fd(privileges, ends[0]) < 0)
            return err_set(err, ERR_SYSTEM, errno, "cannot give a pipe to --user: %s",
                           strerror(errno));
    }
    return 0;
}

/* Make the ring, if possible: shared memory for answers that the launcher has not written yet
 * (base/ring.h). Without a ring the launcher writes each answer at once. */
static void ring_open(struct pipes *pipes)
{
    auto_fd int fd = memfd_create("answers", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || ftruncate(fd, sizeof(struct ring)) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return;
    pipes->ours[RING_FD] = fcntl(fd, F_DUPFD_CLOEXEC, SPAWN_FD_MIN);
    pipes->theirs[RING_FD] = fcntl(fd, F_DUPFD_CLOEXEC, SPAWN_FD_MIN);
}

/* Move our ends to *spawned: from now on they belong to the caller. */
static void pipes_hand_over(struct pipes *pipes, struct spawned *spawned)
{
    spawned->in = pipes->ours[0];
    spawned->fd1 = pipes->ours[1];
    spawned->fd2 = pipes->ours[2];
    spawned->fd3 = pipes->ours[3];
    spawned->ring = pipes->ours[RING_FD];
    for (int i = 0; i < N_ENDS; i++)
        pipes->ours[i] = -1;
}

int spawn_pipes(int pipe_bytes, const struct privileges *privileges, struct spawned *ours,
                int theirs[4], struct err *err)
{
    __attribute__((cleanup(pipes_close))) struct pipes pipes = PIPES_NONE;

    if (pipes_open(&pipes, false, pipe_bytes, privileges, err) < 0)
        return -1;
    pipes_hand_over(&pipes, ours); /* there is no ring: ours->ring is -1 */
    for (int i = 0; i < 4; i++) {
        assert(pipes.theirs[i] >= SPAWN_FD_MIN);
        theirs[i] = pipes.theirs[i];
        pipes.theirs[i] = -1;
    }
    return 0;
}

int spawn_start(const struct exec_spec *spec, int pipe_bytes, struct spawned *spawned,
                struct err *err)
{
    __attribute__((cleanup(pipes_close))) struct pipes pipes = PIPES_NONE;
    char path[PATH_MAX];
    unsigned mark;
    pid_t pid;
    int result;

    assert(spec->argv != NULL && spec->argv[0] != NULL);
    if (!find_program(spec, path, sizeof(path)))
        return err_set(err, ERR_ACTION, ENOENT, "cannot run \"%s\": not found in PATH%s%s",
                       spec->argv[0], spec->shortfall != NULL ? "; it needs " : "",
                       spec->shortfall != NULL ? spec->shortfall : "");
    if (pipes_open(&pipes, spec->socket_in, pipe_bytes, spec->privileges, err) < 0)
        return -1;
    if (spec->shares_ring)
        ring_open(&pipes);
    mark = kin_mark();
    kin_begin(mark);
    result = start(spec, path, pipes.theirs, &pid, err);
    kin_finish();
    if (result < 0) {
        kin_unmark(mark);
        return -1;
    }
    assert(pid > 1);
    spawned->pid = pid;
    spawned->mark = mark;
    pipes_hand_over(&pipes, spawned);
    return 0;
}

void spawn_kill(pid_t pid, int signo)
{
    spawn_kill_group(pid, signo);
    /* A process that is still in its group has got the signal. Do not send SIGTERM again, since a
     * handler would run twice. A second SIGKILL does no harm. */
    if (signo == SIGKILL || getpgid(pid) != pid)
        (void)kill(pid, signo);
}

void spawn_kill_group(pid_t pid, int signo)
{
    assert(pid > 1);
    (void)kill(-pid, signo);
}

/*
 * The kernel as the code under test sees it: system calls on the model's descriptors, and the
 * modules spawn, kin and stdin_probe.
 */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "base/err.h"
#include "base/kin.h"
#include "base/privileges.h"
#include "base/ring.h"
#include "base/util.h"
#include "worker/spawn.h"
#include "worker/stdin_pipe.h"
#include "worker/stdin_probe.h"
#include "world.h"

ssize_t __wrap_read(int fd, void *to, size_t n);
ssize_t __wrap___read_chk(int fd, void *to, size_t n, size_t size);
ssize_t __wrap_pread64(int fd, void *to, size_t n, off_t at);
ssize_t __wrap___pread64_chk(int fd, void *to, size_t n, off_t at, size_t size);
ssize_t __wrap_writev(int fd, const struct iovec *parts, int n_parts);
int __wrap_fcntl64(int fd, int command, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap___poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size);
int __wrap_close(int fd);
int __wrap_fd_reopen(int fd, int access_mode);
void __real_pacing_open(struct pacing *pacing, unsigned ahead_max, unsigned vouched);
void __wrap_pacing_open(struct pacing *pacing, unsigned ahead_max, unsigned vouched);

static struct st_h2o_socket_t *entry(int fd)
{
    struct st_h2o_socket_t *found = &world.fds[fd - FIRST_FD];

    if (fd < FIRST_FD || fd >= FIRST_FD + FDS_MAX || found->kind == FD_FREE)
        broken("the proxy uses descriptor %d, which is closed", fd);
    return found;
}

int world_fd(enum fd_kind kind, int pipe)
{
    for (int i = 0; i < FDS_MAX; i++) {
        struct st_h2o_socket_t *at = &world.fds[i];

        if (at->kind != FD_FREE)
            continue;
        at->kind = kind;
        at->pipe = pipe;
        at->watch = NULL;
        if (kind == FD_READ)
            world.pipes[pipe].n_readers++;
        if (kind == FD_WRITE)
            world.pipes[pipe].n_writers++;
        return FIRST_FD + i;
    }
    broken("the proxy has more than %d descriptors open", FDS_MAX);
}

/* ---- system calls ---- */

ssize_t __wrap_read(int fd, void *to, size_t n)
{
    struct pipe *pipe = &world.pipes[entry(fd)->pipe];
    size_t got;

    assert(entry(fd)->kind == FD_READ);
    world_amid("read");
    got = pipe_get(pipe, to, n);
    if (got > 0)
        say("        the proxy reads \"%.*s\"", (int)got, (const char *)to);
    if (got > 0 || pipe->n_writers == 0)
        return (ssize_t)got;
    errno = EAGAIN;
    return -1;
}

ssize_t __wrap___read_chk(int fd, void *to, size_t n, size_t size)
{
    assert(n <= size);
    return __wrap_read(fd, to, n);
}

/* Of the ring: a count, then bytes modulo its size, which no path comes near. */
ssize_t __wrap_pread64(int fd, void *to, size_t n, off_t at)
{
    const struct proc *proc = &world.procs[entry(fd)->pipe];
    uint64_t end = proc->ring_end;
    size_t from = (size_t)at - offsetof(struct ring, bytes);

    assert(entry(fd)->kind == FD_RING);
    if (at == (off_t)offsetof(struct ring, end)) {
        memcpy(to, &end, n);
        return (ssize_t)n;
    }
    assert(from + n <= sizeof(proc->ring));
    memcpy(to, proc->ring + from, n);
    say("        the proxy reads \"%.*s\" in the ring", (int)n, (const char *)to);
    return (ssize_t)n;
}

ssize_t __wrap___pread64_chk(int fd, void *to, size_t n, off_t at, size_t size)
{
    assert(n <= size);
    return __wrap_pread64(fd, to, n, at);
}

/* So few bytes as PIPE_BUF stands for go whole or not at all. */
ssize_t __wrap_writev(int fd, const struct iovec *parts, int n_parts)
{
    struct pipe *pipe = &world.pipes[entry(fd)->pipe];
    char bytes[PIPE_MAX];
    size_t n = 0;
    size_t room;

    assert(entry(fd)->kind == FD_WRITE);
    world_amid("writev");
    for (int i = 0; i < n_parts; i++) {
        assert(n + parts[i].iov_len <= sizeof(bytes));
        memcpy(bytes + n, parts[i].iov_base, parts[i].iov_len);
        n += parts[i].iov_len;
    }
    if (pipe->n_readers == 0) {
        errno = EPIPE;
        return -1;
    }
    room = pipe_room(pipe);
    if (n > room && (n <= PIPE_WHOLE || room == 0)) {
        errno = EAGAIN;
        return -1;
    }
    n = pipe_put(pipe, bytes, n < room ? n : room);
    say("        the proxy writes \"%.*s\"", (int)n, bytes);
    world_wrote(entry(fd)->pipe);
    return (ssize_t)n;
}

int __wrap_fcntl64(int fd, int command, ...)
{
    struct pipe *pipe = &world.pipes[entry(fd)->pipe];
    va_list args;
    int value;

    if (command == F_GETPIPE_SZ)
        return 65536;
    assert(command == F_SETPIPE_SZ);
    va_start(args, command);
    value = va_arg(args, int);
    va_end(args);
    pipe->narrow = value <= STDIN_PIPE_NARROW_BYTES;
    return value;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list args;

    assert(request == FIONREAD);
    world_amid("ioctl");
    va_start(args, request);
    *va_arg(args, int *) = (int)world.pipes[entry(fd)->pipe].n;
    va_end(args);
    return 0;
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
    int n_ready = 0;

    assert(timeout == 0);
    for (nfds_t i = 0; i < n; i++) {
        const struct pipe *pipe;

        fds[i].revents = 0;
        if (fds[i].fd < 0)
            continue;
        pipe = &world.pipes[entry(fds[i].fd)->pipe];
        fds[i].revents = pipe->n > 0 || pipe->n_writers == 0 ? POLLIN : 0;
        n_ready += fds[i].revents != 0;
    }
    return n_ready;
}

int __wrap___poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size)
{
    assert(n * sizeof(*fds) <= size);
    return __wrap_poll(fds, n, timeout);
}

int __wrap_close(int fd)
{
    struct st_h2o_socket_t *at = entry(fd);

    if (at->kind == FD_READ)
        world.pipes[at->pipe].n_readers--;
    if (at->kind == FD_WRITE)
        world.pipes[at->pipe].n_writers--;
    at->kind = FD_FREE;
    at->watch = NULL;
    at->generation++;
    return 0;
}

int __wrap_fd_reopen(int fd, int access_mode)
{
    assert(access_mode == O_RDONLY && entry(fd)->kind == FD_WRITE);
    if (scenario->blind) {
        errno = EACCES;
        return -1;
    }
    return world_fd(FD_READ, entry(fd)->pipe);
}

/* ---- worker/spawn.h ---- */

int spawn_start(const struct exec_spec *spec, int pipe_bytes, struct spawned *spawned,
                struct err *err)
{
    int pipes[4];
    int proc;

    (void)pipe_bytes;
    if (world.budget.unspawned > 0 && choose(2) > 0) {
        world.budget.unspawned--;
        say("        no process can be started");
        return err_set(err, ERR_SYSTEM, EAGAIN, "cannot start a process");
    }
    /* The specification's argument says whose it is. */
    proc = world_spawn(spec->argv[0][0] - '0', pipes);
    *spawned = (struct spawned){.pid = FIRST_PID + proc,
                                .in = world_fd(FD_WRITE, pipes[0]),
                                .fd1 = world_fd(FD_READ, pipes[1]),
                                .fd2 = world_fd(FD_READ, pipes[2]),
                                .fd3 = world_fd(FD_READ, pipes[3]),
                                .ring = spec->shares_ring ? world_fd(FD_RING, proc) : -1};
    return 0;
}

int spawn_pipes(int pipe_bytes, const struct privileges *privileges, struct spawned *ours,
                int theirs[4], struct err *err)
{
    (void)pipe_bytes, (void)privileges, (void)ours, (void)theirs;
    return err_set(err, ERR_SYSTEM, ENOSYS, "the model has no zygote");
}

void spawn_kill(pid_t pid, int signo)
{
    world_amid("kill");
    world_signal(pid - FIRST_PID, signo);
}

void spawn_kill_group(pid_t pid, int signo)
{
    spawn_kill(pid, signo);
}

/* ---- base/kin.h ---- */

uint64_t kin_used_ms(pid_t pid)
{
    (void)pid;
    return world.now_us / 1000; /* it never waits for a processor */
}

bool kin_is_stopped(pid_t pid)
{
    (void)pid;
    return false;
}

void kin_untrace(pid_t pid)
{
    (void)pid; /* nothing is traced here */
}

unsigned kin_mark(void)
{
    return 0;
}

void kin_mark_process(pid_t pid, unsigned mark)
{
    (void)pid, (void)mark;
}

void kin_unmark(unsigned mark)
{
    (void)mark;
}

void kin_end(struct loop *loop, unsigned mark)
{
    (void)loop, (void)mark;
}

/* ---- worker/pacing.h ---- */

/* A process counts as one that has answered many, where the scenario says so. */
void __wrap_pacing_open(struct pacing *pacing, unsigned ahead_max, unsigned vouched)
{
    __real_pacing_open(pacing, ahead_max, vouched);
    if (!scenario->warm)
        return;
    pacing->n_silent = 1000;
    pacing->work_ns = 1;
}

/* ---- worker/stdin_probe.h ---- */

void stdin_probe_open(struct stdin_probe *probe, pid_t pid, int in,
                      const struct privileges *privileges)
{
    (void)in;
    *probe = (struct stdin_probe){.fd = -1, .pid = pid, .privileges = privileges};
}

void stdin_probe_close(struct stdin_probe *probe)
{
    probe->pid = 0;
}

enum stdin_probe_state stdin_probe_look(struct stdin_probe *probe)
{
    struct proc *proc = &world.procs[probe->pid - FIRST_PID];

    if (scenario->blind || probe->pid == 0 || proc->state != PROC_RUNS)
        return STDIN_PROBE_UNKNOWN;
    world_amid("stdin_probe_look");
    return proc_blocks(proc) ? STDIN_PROBE_YES : STDIN_PROBE_RUNS;
}

enum stdin_probe_state stdin_probe_look_closely(struct stdin_probe *probe)
{
    return stdin_probe_look(probe);
}

void stdin_probe_note_idle(struct stdin_probe *probe)
{
    (void)probe;
}

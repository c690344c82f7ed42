/*
 * Facts, then step, as in stage.c: what came through the pipe, that the compiler ended, that its
 * time was up. compile_step() alone decides, once the process is gone. The end of the pipe is not
 * waited for: a daemon that a compiler leaves behind would hold it open.
 */

#include "action/compile.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/privileges.h"
#include "base/util.h"

#define CANNOT_RUN     "cannot run the compiler: "
#define READ_BYTES     16384
#define READS_PER_TURN 16 /* a compiler that says more than the loop can read must not stop it */
#define READS_AT_END   64 /* more than the largest pipe holds; who writes on has left our group */

static void on_output(struct loop_watch *watch);
static void on_exit_of_child(struct loop_child *child, int wait_status);
static void on_late(struct loop_timer *timer);

/* ---- the child ---- */

static _Noreturn void child_fail(const char *what)
{
    (void)dprintf(STDERR_FILENO, CANNOT_RUN "%s: %s\n", what, strerror(errno));
    _exit(127);
}

static _Noreturn void child_run(const struct compile *compile, int output, pid_t parent)
{
    const struct launch *launch = &compile->launch;
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int os = 0;
    int failed = privileges_limit(launch->privileges, &os);
    struct err err;

    if (failed == 0)
        failed = privileges_become(launch->privileges, &os);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of user would clear it */
    if (getppid() != parent || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
        _exit(127); /* the proxy ended before the line above, or nobody would hear us */
    if (failed != 0) {
        (void)privileges_explain(launch->privileges, failed, os, &err);
        (void)dprintf(STDERR_FILENO, CANNOT_RUN "%s\n", err.text);
        _exit(127);
    }
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0)
        child_fail("/dev/null");
    child_prepare(STDERR_FILENO + 1);
    child_limit(RLIMIT_CORE, 0);
    child_limit(RLIMIT_FSIZE, compile->file_max_bytes);
    if (launch->cwd != NULL && chdir(launch->cwd) < 0)
        child_fail(launch->cwd);
    environ = launch->env; /* a bare name is looked up in the PATH that the compiler gets */
    (void)execvp(launch->argv[0], launch->argv);
    child_fail(launch->argv[0]);
}

/* ---- in the proxy ---- */

void compile_init(struct compile *compile)
{
    memset(compile, 0, sizeof(*compile));
    loop_child_init(&compile->child);
    loop_watch_init(&compile->output);
    loop_timer_init(&compile->late, on_late);
}

static bool is_running(const struct compile *compile)
{
    return compile->child.pid != 0 && !compile->exited;
}

/* What was said stays: the owner reads it. */
static void release(struct compile *compile)
{
    loop_timer_clear(&compile->late);
    loop_watch_close(&compile->output);
    launch_done(&compile->launch);
}

int compile_start(struct compile *compile, struct loop *loop, uint64_t deadline_at_ms,
                  struct err *err)
{
    uint64_t now_ms = loop_now_ms(loop);
    pid_t parent = getpid();
    int pipe_fds[2];
    pid_t pid;

    assert(compile->done != NULL);
    assert(compile->child.pid == 0);
    assert(compile->launch.argv != NULL && compile->launch.argv[0] != NULL);
    compile->allowed_ms = deadline_at_ms > now_ms ? deadline_at_ms - now_ms : 0;
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot compile: no pipe: %s", strerror(errno));
    pid = fork();
    if (pid == 0)
        child_run(compile, pipe_fds[1], parent);
    (void)close(pipe_fds[1]);
    if (pid < 0) {
        int os = errno;

        (void)close(pipe_fds[0]);
        return err_set(err, ERR_SYSTEM, os, "cannot compile: no process: %s", strerror(os));
    }
    (void)setpgid(pid, pid); /* the child does so too: whoever comes first */
    compile->loop = loop;
    loop_child_watch(loop, &compile->child, pid, on_exit_of_child);
    loop_watch_open(loop, &compile->output, pipe_fds[0]);
    loop_watch_read(&compile->output, on_output);
    loop_timer_set(loop, &compile->late, deadline_at_ms);
    return 0;
}

void compile_cancel(struct compile *compile)
{
    if (is_running(compile)) {
        (void)kill(-compile->child.pid, SIGKILL);
        loop_child_forget(&compile->child);
        compile->exited = true; /* as far as we care */
    }
    release(compile);
    buf_done(&compile->said);
}

static uint64_t limit_of(const struct compile *compile, enum privileges_limit which)
{
    const struct privileges *privileges = compile->launch.privileges;

    return privileges != NULL ? privileges->limits[which] : 0;
}

/* Of what it may write there are two bounds, and the lower one holds. */
static void judge_file_size(const struct compile *compile, struct err *err)
{
    uint64_t limit = limit_of(compile, LIMIT_FSIZE);
    bool by_limit = limit > 0 && limit < compile->file_max_bytes;

    (void)err_set(err, ERR_CODE, 0, "the compiler wrote a file of more than %" PRIu64 " bytes (%s)",
                  by_limit ? limit : compile->file_max_bytes,
                  by_limit ? "--rlimit-fsize" : "--unpack-max-bytes");
}

/* Why it failed. The deadline goes first: it is what made us send the signal. */
static void judge(struct compile *compile)
{
    int status = compile->wait_status;
    struct err *err = &compile->err;

    compile->failed = true;
    if (compile->overdue)
        (void)err_set(err, ERR_LIMIT, 0,
                      "compiling took longer than %" PRIu64 " ms (--init-timeout)",
                      compile->allowed_ms);
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ)
        judge_file_size(compile, err);
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU && limit_of(compile, LIMIT_CPU) > 0)
        (void)err_set(err, ERR_CODE, 0,
                      "the compiler used more than %" PRIu64 " s of processor time (--rlimit-cpu)",
                      limit_of(compile, LIMIT_CPU));
    else if (WIFSIGNALED(status))
        (void)err_set(err, ERR_CODE, 0, "the compiler was ended by signal %d (%s)",
                      WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        (void)err_set(err, ERR_CODE, 0, "the compiler ended with status %d", WEXITSTATUS(status));
    else if (compile->must_be_silent && buf_len(&compile->said) > 0)
        (void)err_set(err, ERR_CODE, 0,
                      "the compiler ended well, but what it said counts as failure");
    else
        compile->failed = false;
}

void compile_explain(const struct compile *compile, struct buf *out)
{
    bool by_itself = compile->err.kind == ERR_CODE && WIFEXITED(compile->wait_status);
    size_t n = buf_len(&compile->said);
    char more[64];

    assert(compile->failed);
    if (n > 0) {
        buf_add(out, buf_at(&compile->said), n);
        if ((!by_itself || compile->n_unsaid > 0) && buf_at(&compile->said)[n - 1] != '\n')
            buf_add_text(out, "\n");
    }
    if (compile->n_unsaid > 0) {
        (void)snprintf(more, sizeof(more), "... and %" PRIu64 " bytes more", compile->n_unsaid);
        buf_add_text(out, more);
    }
    /* A compiler that ended by itself and said why needs no words of ours. */
    if (by_itself && n > 0)
        return;
    if (compile->n_unsaid > 0)
        buf_add_text(out, "\n");
    buf_add_text(out, compile->err.text);
}

/* Take what the pipe holds, up to n_reads; what goes beyond the bound is counted and dropped. */
static void read_output(struct compile *compile, unsigned n_reads)
{
    while (compile->output.fd >= 0 && n_reads-- > 0) {
        char bytes[READ_BYTES];
        ssize_t n = read(compile->output.fd, bytes, sizeof(bytes));
        size_t room = COMPILE_SAID_MAX_BYTES - buf_len(&compile->said);
        size_t n_kept;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            loop_watch_close(&compile->output); /* else it would be readable in each turn */
            return;
        }
        n_kept = (size_t)n < room ? (size_t)n : room;
        buf_add(&compile->said, bytes, n_kept);
        compile->n_unsaid += (size_t)n - n_kept;
    }
}

static void compile_step(struct compile *compile)
{
    if (compile->overdue && is_running(compile))
        (void)kill(-compile->child.pid, SIGKILL);
    if (is_running(compile))
        return;
    /* Nothing that it started outlives it: /init's deadline would not reach that. */
    (void)kill(-compile->child.pid, SIGKILL);
    read_output(compile, READS_AT_END); /* its last words may not have been handed out yet */
    judge(compile);
    release(compile);
    compile->done(compile);
}

static void on_output(struct loop_watch *watch)
{
    read_output(container_of(watch, struct compile, output), READS_PER_TURN);
}

static void on_exit_of_child(struct loop_child *child, int wait_status)
{
    struct compile *compile = container_of(child, struct compile, child);

    compile->exited = true;
    compile->wait_status = wait_status;
    compile_step(compile);
}

static void on_late(struct loop_timer *timer)
{
    struct compile *compile = container_of(timer, struct compile, late);

    compile->overdue = true;
    compile_step(compile);
}

/*
 * Event handlers record facts (output, the child's exit, the deadline); helper_step() alone decides
 * what they mean, and calls `done` once the child is gone.
 */

#include "action/helper.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/kin.h"
#include "base/util.h"

#define READ_BYTES     16384
#define READS_PER_TURN 16 /* most reads in one turn of the loop: a fast writer must not stall it */
/* most reads after the child's exit; 64 * 16 KiB = 1 MiB, the largest pipe that fs.pipe-max-size
 * allows by default */
#define READS_AT_END 64

static void on_late(struct loop_timer *timer);

void helper_init(struct helper *helper, helper_run_fn *run, helper_done_fn *done,
                 size_t said_max_bytes)
{
    memset(helper, 0, sizeof(*helper));
    helper->run = run;
    helper->done = done;
    helper->said_max_bytes = said_max_bytes;
    loop_child_init(&helper->child);
    loop_watch_init(&helper->pipe);
    loop_timer_init(&helper->late, on_late);
}

static bool is_running(const struct helper *helper)
{
    return helper->child.pid != 0 && !helper->exited;
}

/* Kill the child's process group: nothing that the child started may outlive it. Kill the child by
 * its pid, too: the child may have moved to another group. */
static void kill_all(const struct helper *helper)
{
    assert(helper->child.pid > 0);
    (void)kill(-helper->child.pid, SIGKILL);
    if (is_running(helper)) /* a reaped child's pid may belong to another process */
        (void)kill(helper->child.pid, SIGKILL);
}

/* Read the child's output, up to n_reads times. Bytes beyond said_max_bytes are only counted. */
static void take_said(struct helper *helper, unsigned n_reads)
{
    while (helper->pipe.fd >= 0 && n_reads > 0) {
        char bytes[READ_BYTES];
        ssize_t n = read(helper->pipe.fd, bytes, sizeof(bytes));
        size_t room = helper->said_max_bytes - buf_len(&helper->said);
        size_t n_kept;

        assert(buf_len(&helper->said) <= helper->said_max_bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            loop_watch_close(&helper->pipe); /* at its end, an open pipe wakes the loop endlessly */
            return;
        }
        n_reads--;
        n_kept = (size_t)n < room ? (size_t)n : room;
        buf_add(&helper->said, bytes, n_kept);
        helper->n_unsaid += (size_t)n - n_kept;
    }
}

/* Release all members except `said`, which the owner has yet to read. */
static void release(struct helper *helper)
{
    loop_timer_clear(&helper->late);
    loop_watch_close(&helper->pipe);
}

static void helper_step(struct helper *helper)
{
    if (helper->overdue && is_running(helper))
        kill_all(helper);
    if (is_running(helper))
        return;
    assert(helper->exited);
    kill_all(helper);
    kin_end(helper->loop, helper->mark);
    take_said(helper, READS_AT_END); /* the child's last output may still be in the pipe */
    release(helper);
    helper->done(helper);
}

static void on_said(struct loop_watch *watch)
{
    take_said(container_of(watch, struct helper, pipe), READS_PER_TURN);
}

static void on_exit_of_child(struct loop_child *child, int wait_status)
{
    struct helper *helper = container_of(child, struct helper, child);

    assert(!helper->exited);
    helper->exited = true;
    helper->wait_status = wait_status;
    helper_step(helper);
}

static void on_late(struct loop_timer *timer)
{
    struct helper *helper = container_of(timer, struct helper, late);

    assert(is_running(helper));
    if (helper->overdue) /* killed before, but not reaped: a tracer may hold the child */
        kin_untrace(helper->child.pid);
    helper->overdue = true;
    loop_timer_set(helper->loop, &helper->late, loop_now_ms(helper->loop) + KIN_UNTRACE_MS);
    helper_step(helper);
}

int helper_start(struct helper *helper, struct loop *loop, uint64_t deadline_at_ms,
                 const char *what, struct err *err)
{
    uint64_t now_ms = loop_now_ms(loop);
    pid_t parent = getpid();
    int pipe_fds[2];
    pid_t pid;
    int os;

    assert(helper->child.pid == 0);
    assert(!helper->exited);
    helper->allowed_ms = deadline_at_ms > now_ms ? deadline_at_ms - now_ms : 0;
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot %s: no pipe: %s", what, strerror(errno));
    helper->loop = loop;
    helper->mark = kin_mark();
    kin_begin(helper->mark);
    pid = fork();
    if (pid == 0) {
        helper->run(helper, pipe_fds[1], parent);
        _exit(EXIT_FAILURE);
    }
    os = errno;
    kin_finish();
    (void)close(pipe_fds[1]);
    if (pid < 0) {
        kin_unmark(helper->mark);
        (void)close(pipe_fds[0]);
        return err_set(err, ERR_SYSTEM, os, "cannot %s: no process: %s", what, strerror(os));
    }
    (void)setpgid(pid, pid); /* the child calls this, too: either process may run first */
    loop_child_watch(loop, &helper->child, pid, on_exit_of_child);
    loop_watch_open(loop, &helper->pipe, pipe_fds[0]);
    loop_watch_read(&helper->pipe, on_said);
    loop_timer_set(loop, &helper->late, deadline_at_ms);
    return 0;
}

bool helper_was_killed(const struct helper *helper)
{
    int status = helper->wait_status;

    return !helper->overdue && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

void helper_cancel(struct helper *helper)
{
    if (is_running(helper)) {
        kill_all(helper);
        loop_child_forget(&helper->child);
        kin_end(helper->loop, helper->mark);
        helper->exited = true; /* on_exit_of_child() will not be called any more */
    }
    release(helper);
    buf_done(&helper->said);
}

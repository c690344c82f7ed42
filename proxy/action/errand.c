/*
 * Facts, then step: what came through the pipe, that the child ended, that its time was up.
 * errand_step() alone decides, once the child is gone.
 */

#include "action/errand.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/kin.h"
#include "base/util.h"

#define READ_BYTES     16384
#define READS_PER_TURN 16 /* a child that says more than the loop can read must not stop it */
#define READS_AT_END   64 /* more than the largest pipe holds; who writes on has left its group */

static void on_late(struct loop_timer *timer);

void errand_init(struct errand *errand, errand_run_fn *run, errand_done_fn *done,
                 size_t said_max_bytes)
{
    memset(errand, 0, sizeof(*errand));
    errand->run = run;
    errand->done = done;
    errand->said_max_bytes = said_max_bytes;
    loop_child_init(&errand->child);
    loop_watch_init(&errand->pipe);
    loop_timer_init(&errand->late, on_late);
}

static bool is_running(const struct errand *errand)
{
    return errand->child.pid != 0 && !errand->exited;
}

/* The whole group: nothing that the child has started outlives it. */
static void kill_group(const struct errand *errand)
{
    assert(errand->child.pid > 0);
    (void)kill(-errand->child.pid, SIGKILL);
}

/* Take what the pipe holds, up to n_reads; what goes beyond the bound is counted and dropped. */
static void take_said(struct errand *errand, unsigned n_reads)
{
    while (errand->pipe.fd >= 0 && n_reads-- > 0) {
        char bytes[READ_BYTES];
        ssize_t n = read(errand->pipe.fd, bytes, sizeof(bytes));
        size_t room = errand->said_max_bytes - buf_len(&errand->said);
        size_t n_kept;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            loop_watch_close(&errand->pipe); /* else it would be readable in each turn */
            return;
        }
        n_kept = (size_t)n < room ? (size_t)n : room;
        buf_add(&errand->said, bytes, n_kept);
        errand->n_unsaid += (size_t)n - n_kept;
    }
}

/* What was said stays: the owner reads it. */
static void release(struct errand *errand)
{
    loop_timer_clear(&errand->late);
    loop_watch_close(&errand->pipe);
}

static void errand_step(struct errand *errand)
{
    if (errand->overdue && is_running(errand))
        kill_group(errand);
    if (is_running(errand))
        return;
    kill_group(errand);
    kin_end(errand->loop, errand->mark);
    take_said(errand, READS_AT_END); /* its last words may not have been handed out yet */
    release(errand);
    errand->done(errand);
}

static void on_said(struct loop_watch *watch)
{
    take_said(container_of(watch, struct errand, pipe), READS_PER_TURN);
}

static void on_exit_of_child(struct loop_child *child, int wait_status)
{
    struct errand *errand = container_of(child, struct errand, child);

    errand->exited = true;
    errand->wait_status = wait_status;
    errand_step(errand);
}

static void on_late(struct loop_timer *timer)
{
    struct errand *errand = container_of(timer, struct errand, late);

    errand->overdue = true;
    errand_step(errand);
}

int errand_start(struct errand *errand, struct loop *loop, uint64_t deadline_at_ms,
                 const char *what, struct err *err)
{
    uint64_t now_ms = loop_now_ms(loop);
    pid_t parent = getpid();
    int pipe_fds[2];
    pid_t pid;
    int os;

    assert(errand->child.pid == 0);
    errand->allowed_ms = deadline_at_ms > now_ms ? deadline_at_ms - now_ms : 0;
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot %s: no pipe: %s", what, strerror(errno));
    errand->loop = loop;
    errand->mark = kin_mark();
    kin_begin(errand->mark);
    pid = fork();
    if (pid == 0) {
        errand->run(errand, pipe_fds[1], parent);
        _exit(EXIT_FAILURE);
    }
    os = errno;
    kin_finish();
    (void)close(pipe_fds[1]);
    if (pid < 0) {
        kin_unmark(errand->mark);
        (void)close(pipe_fds[0]);
        return err_set(err, ERR_SYSTEM, os, "cannot %s: no process: %s", what, strerror(os));
    }
    (void)setpgid(pid, pid); /* the child does so too: whoever comes first */
    loop_child_watch(loop, &errand->child, pid, on_exit_of_child);
    loop_watch_open(loop, &errand->pipe, pipe_fds[0]);
    loop_watch_read(&errand->pipe, on_said);
    loop_timer_set(loop, &errand->late, deadline_at_ms);
    return 0;
}

void errand_cancel(struct errand *errand)
{
    if (is_running(errand)) {
        kill_group(errand);
        loop_child_forget(&errand->child);
        kin_end(errand->loop, errand->mark);
        errand->exited = true; /* as far as we care */
    }
    release(errand);
    buf_done(&errand->said);
}

/*
 * Facts, then step: what the child reported, that it ended, that its time was up. stage_step()
 * alone decides, once the child is gone; until then nothing is told.
 *
 * The child is a plain fork: libarchive runs in it, and a program of its own would have to be
 * found, started and handed the code. It costs the loop about 2 ms per 100 MB held, once per /init.
 */

#include "action/stage.h"

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

#include "action/store.h"
#include "base/child.h"
#include "base/privileges.h"
#include "base/util.h"

#define CHILD_REPORT_FD        3
#define STAGE_REPORT_MAX_BYTES 1024 /* a report is one err text; more comes from a child run wild */
#define JAR_MANIFEST           "META-INF/MANIFEST.MF"
#define STAGE_REMOVE_MAX_S     120 /* 100,000 files take 10 s; past this a tree stays behind */

static void on_direct(struct loop_post *post);
static void on_report(struct loop_watch *watch);
static void on_exit_of_child(struct loop_child *child, int wait_status);
static void on_late(struct loop_timer *timer);

/* ---- the work: in the child, but for small files ---- */

/* What all the rest is for; the only part that blocks. */
static int do_work(const struct stage *stage, struct err *err)
{
    if (stage->name != NULL)
        return unpack_file(stage->dir, stage->name, stage->code, stage->code_len, err);
    if (stage->jar_name != NULL && unpack_has(stage->code, stage->code_len, JAR_MANIFEST))
        return unpack_file(stage->dir, stage->jar_name, stage->code, stage->code_len, err);
    return unpack_archive(stage->dir, stage->code, stage->code_len, &stage->limits, err);
}

/* Ends by _exit(): what the proxy has registered to happen at its own end must not happen here. */
static _Noreturn void child_run(const struct stage *stage, int report, pid_t parent)
{
    uint64_t file_max = stage->limits.bytes_max;
    struct err err = {0};
    int os = 0;
    int failed;
    char text[sizeof(err.text) + 8];
    int n;

    failed = privileges_become(stage->privileges, &os);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of user would clear it */
    if (getppid() != parent || dup2(report, CHILD_REPORT_FD) < 0)
        _exit(EXIT_FAILURE); /* the proxy ended before the line above, or nobody would hear us */
    child_prepare(CHILD_REPORT_FD + 1);
    (void)signal(SIGXFSZ, SIG_IGN); /* the write fails instead, and the failure is told */
    if ((stage->name != NULL || stage->jar_name != NULL) && file_max < stage->code_len)
        file_max = stage->code_len; /* bounded by the request, not by what archives may hold */
    child_limit(RLIMIT_CORE, 0);
    child_limit(RLIMIT_FSIZE, file_max);
    child_limit(RLIMIT_CPU, stage->allowed_ms / 1000 + 1);
    if ((failed == 0 ? do_work(stage, &err)
                     : privileges_explain(stage->privileges, failed, os, &err)) == 0)
        _exit(EXIT_SUCCESS);
    n = snprintf(text, sizeof(text), "K%u %s", (unsigned)err.kind, err.text);
    assert(n > 0 && (size_t)n < sizeof(text));
    (void)fd_write_all(CHILD_REPORT_FD, text, (size_t)n);
    _exit(EXIT_FAILURE);
}

/* ---- in the proxy ---- */

void stage_init(struct stage *stage)
{
    memset(stage, 0, sizeof(*stage));
    loop_child_init(&stage->child);
    loop_watch_init(&stage->report);
    loop_timer_init(&stage->late, on_late);
    loop_post_init(&stage->direct, on_direct);
}

static bool is_running(const struct stage *stage)
{
    return stage->child.pid != 0 && !stage->exited;
}

static void stage_release(struct stage *stage)
{
    loop_post_cancel(&stage->direct);
    loop_timer_clear(&stage->late);
    loop_watch_close(&stage->report);
    buf_done(&stage->text);
}

int stage_start(struct stage *stage, struct loop *loop, uint64_t deadline_at_ms, struct err *err)
{
    uint64_t now_ms = loop_now_ms(loop);
    pid_t parent = getpid();
    int pipe_fds[2];
    pid_t pid;

    assert(stage->done != NULL);
    assert(stage->child.pid == 0);
    stage->allowed_ms = deadline_at_ms > now_ms ? deadline_at_ms - now_ms : 0;
    if (stage->name != NULL && stage->code_len <= stage->direct_max_bytes &&
        stage->allowed_ms > 0) {
        privileges_borrow(stage->privileges);
        stage->failed = do_work(stage, &stage->err) < 0;
        privileges_return(stage->privileges);
        loop_post(loop, &stage->direct);
        return 0;
    }
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot unpack: no pipe: %s", strerror(errno));
    pid = fork();
    if (pid == 0)
        child_run(stage, pipe_fds[1], parent);
    (void)close(pipe_fds[1]);
    if (pid < 0) {
        int os = errno;

        (void)close(pipe_fds[0]);
        return err_set(err, ERR_SYSTEM, os, "cannot unpack: no process: %s", strerror(os));
    }
    (void)setpgid(pid, pid); /* the child does so too: whoever comes first */
    stage->loop = loop;
    loop_child_watch(loop, &stage->child, pid, on_exit_of_child);
    loop_watch_open(loop, &stage->report, pipe_fds[0]);
    loop_watch_read(&stage->report, on_report);
    loop_timer_set(loop, &stage->late, deadline_at_ms);
    return 0;
}

/* The whole group: nothing that the child might have started outlives it. */
static void stage_kill(const struct stage *stage)
{
    assert(is_running(stage));
    (void)kill(-stage->child.pid, SIGKILL);
}

void stage_cancel(struct stage *stage)
{
    if (is_running(stage)) {
        stage_kill(stage);
        loop_child_forget(&stage->child);
    }
    stage_release(stage);
}

/* Make an err of "K<kind digit> text". False when that is not what the child said. */
static bool take_report(struct stage *stage)
{
    const char *text = stage->text.bytes;
    unsigned kind;

    if (buf_len(&stage->text) < 4 || text[0] != 'K' || text[2] != ' ')
        return false;
    kind = (unsigned char)text[1] - (unsigned)'0';
    if (kind <= ERR_NONE || kind > ERR_SYSTEM)
        return false;
    (void)err_set(&stage->err, (enum err_kind)kind, 0, "%.*s", (int)buf_len(&stage->text) - 3,
                  text + 3);
    return true;
}

/* Why it failed. The deadline goes first: it is what made us send the signal. */
static void explain(struct stage *stage)
{
    int status = stage->wait_status;

    if (stage->overdue)
        (void)err_set(&stage->err, ERR_LIMIT, 0,
                      "unpacking took longer than %" PRIu64 " ms (--init-timeout)",
                      stage->allowed_ms);
    else if (WIFSIGNALED(status))
        (void)err_set(&stage->err, ERR_SYSTEM, 0, "unpacking was ended by signal %d (%s)",
                      WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (!take_report(stage))
        (void)err_set(&stage->err, ERR_SYSTEM, 0, "unpacking ended with status %d, saying nothing",
                      WEXITSTATUS(status));
}

static void stage_step(struct stage *stage)
{
    if (stage->overdue && is_running(stage))
        stage_kill(stage);
    if (is_running(stage))
        return;
    /* Done in the last moment is done: the deadline of the whole /init is for its owner to keep. */
    stage->failed = !WIFEXITED(stage->wait_status) || WEXITSTATUS(stage->wait_status) != 0;
    if (stage->failed)
        explain(stage);
    stage_release(stage);
    stage->done(stage);
}

/* Take what the pipe holds; what goes beyond the bound is dropped. */
static void read_report(struct stage *stage)
{
    while (stage->report.fd >= 0) {
        char bytes[STAGE_REPORT_MAX_BYTES];
        ssize_t n = read(stage->report.fd, bytes, sizeof(bytes));
        size_t room = STAGE_REPORT_MAX_BYTES - buf_len(&stage->text);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            loop_watch_close(&stage->report); /* an ended pipe would be readable in each turn */
        else
            buf_add(&stage->text, bytes, (size_t)n < room ? (size_t)n : room);
    }
}

static void on_direct(struct loop_post *post)
{
    struct stage *stage = container_of(post, struct stage, direct);

    stage->done(stage);
}

static void on_report(struct loop_watch *watch)
{
    read_report(container_of(watch, struct stage, report));
}

static void on_exit_of_child(struct loop_child *child, int wait_status)
{
    struct stage *stage = container_of(child, struct stage, child);

    read_report(stage); /* its last words may not have been handed out yet */
    stage->exited = true;
    stage->wait_status = wait_status;
    stage_step(stage);
}

static void on_late(struct loop_timer *timer)
{
    struct stage *stage = container_of(timer, struct stage, late);

    stage->overdue = true;
    stage_step(stage);
}

pid_t stage_remove_tree(const char *dir)
{
    pid_t pid;

    assert(dir[0] == '/');
    pid = fork();
    if (pid != 0)
        return pid;
    child_prepare(CHILD_REPORT_FD);
    (void)alarm(STAGE_REMOVE_MAX_S);
    _exit(store_remove_tree(dir) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

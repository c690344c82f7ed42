/*
 * The child that unpacks is a fork, because a separate program would have to be found, started and
 * given the code. The fork blocks the loop for about 2 ms per 100 MB of the proxy's memory, once
 * per /init.
 */

#include "action/stage.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "action/store.h"
#include "base/child.h"
#include "base/privileges.h"
#include "base/usage.h"
#include "base/util.h"

#define CHILD_REPORT_FD        3
#define STAGE_REPORT_MAX_BYTES 65536 /* holds an error text, or a line per link not unpacked */
#define JAR_MANIFEST           "META-INF/MANIFEST.MF"

static void on_done(struct helper *helper);
static void on_direct(struct loop_post *post);

/* ---- the work: in the child, except for small files ---- */

/* Write or unpack the code, blocking. */
static int do_work(const struct stage *stage, struct buf *said, struct err *err)
{
    if (stage->name != NULL)
        return unpack_file(stage->dir, stage->name, stage->code, stage->code_len, err);
    if (stage->jar_name != NULL && unpack_has(stage->code, stage->code_len, JAR_MANIFEST))
        return unpack_file(stage->dir, stage->jar_name, stage->code, stage->code_len, err);
    return unpack_archive(stage->dir, stage->code, stage->code_len, &stage->limits, said, err);
}

/* Limit the child's memory to what it has inherited, plus what a harmless archive needs. */
static void limit_memory(const struct stage *stage)
{
    uint64_t held = usage_own_virtual_bytes();

    if (held > 0)
        child_limit(RLIMIT_AS, held + UNPACK_MEMORY_BYTES + 4 * (uint64_t)stage->code_len);
}

/* Ends with _exit(): the proxy's atexit handlers must not run in the child. */
static _Noreturn void child_run(struct helper *helper, int report, pid_t parent)
{
    const struct stage *stage = container_of(helper, struct stage, helper);
    uint64_t file_max = stage->limits.bytes_max;
    struct err err = {0};
    struct buf said = {0};
    int os = 0;
    int failed = child_enter(stage->privileges, false, parent, &os);
    char text[sizeof(err.text) + 8];
    int n;

    if (dup2(report, CHILD_REPORT_FD) < 0)
        _exit(EXIT_FAILURE); /* without its pipe, the child cannot tell the proxy why */
    child_prepare(CHILD_REPORT_FD + 1);
    (void)signal(SIGXFSZ, SIG_IGN); /* the write fails with EFBIG instead, which is reported */
    if ((stage->name != NULL || stage->jar_name != NULL) && file_max < stage->code_len)
        file_max = stage->code_len; /* one file holds all code, and the request limit bounds it */
    child_limit(RLIMIT_CORE, 0);
    child_limit(RLIMIT_FSIZE, file_max);
    child_limit(RLIMIT_CPU, helper->allowed_ms / 1000 + 1);
    limit_memory(stage);
    if ((failed == 0 ? do_work(stage, &said, &err)
                     : privileges_explain(stage->privileges, failed, os, &err)) == 0) {
        (void)fd_write_all(CHILD_REPORT_FD, buf_at(&said), buf_len(&said));
        _exit(EXIT_SUCCESS);
    }
    n = snprintf(text, sizeof(text), "K%u %s", (unsigned)err.kind, err.text);
    assert(n > 0 && (size_t)n < sizeof(text));
    (void)fd_write_all(CHILD_REPORT_FD, text, (size_t)n);
    /* Delete the files before the proxy answers: the next /init may follow at once, and a full disk
     * may have no space for it. */
    if (!stage->keeps_failed)
        (void)store_remove_tree(stage->dir, 0);
    _exit(EXIT_FAILURE);
}

/* ---- in the proxy ---- */

void stage_init(struct stage *stage)
{
    memset(stage, 0, sizeof(*stage));
    helper_init(&stage->helper, child_run, on_done, STAGE_REPORT_MAX_BYTES);
    loop_post_init(&stage->direct, on_direct);
}

int stage_start(struct stage *stage, struct loop *loop, uint64_t deadline_at_ms, struct err *err)
{
    assert(stage->done != NULL);
    assert(stage->dir[0] == '/');
    assert(!stage->failed);
    if (stage->name != NULL && stage->code_len <= stage->direct_max_bytes &&
        deadline_at_ms > loop_now_ms(loop)) {
        privileges_borrow(stage->privileges);
        stage->failed = do_work(stage, NULL, &stage->err) < 0;
        privileges_return(stage->privileges);
        loop_post(loop, &stage->direct);
        return 0;
    }
    return helper_start(&stage->helper, loop, deadline_at_ms, "unpack", err);
}

void stage_cancel(struct stage *stage)
{
    loop_post_cancel(&stage->direct);
    buf_done(&stage->said);
    helper_cancel(&stage->helper);
}

/* Parse the child's report into stage->err. It is "K", the digit of an err_kind, a space and a
 * text. False: it has another form. */
static bool take_report(struct stage *stage)
{
    const struct buf *said = &stage->helper.said;
    const char *text = said->bytes;
    unsigned kind;

    assert(said->start == 0);
    if (buf_len(said) < 4 || text[0] != 'K' || text[2] != ' ')
        return false;
    kind = (unsigned char)text[1] - (unsigned)'0';
    if (kind <= ERR_NONE || kind > ERR_SYSTEM)
        return false;
    (void)err_set(&stage->err, (enum err_kind)kind, 0, "%.*s", (int)buf_len(said) - 3, text + 3);
    return true;
}

/* Set stage->err after a failure. If the child has sent a report, use it, even if the child was
 * killed later, while it removed the files. If the deadline has passed, we killed the child. */
static void explain(struct stage *stage)
{
    int status = stage->helper.wait_status;

    assert(stage->failed);
    if (take_report(stage))
        return;
    stage->killed = helper_was_killed(&stage->helper);
    if (stage->helper.overdue)
        (void)err_set(&stage->err, ERR_LIMIT, 0,
                      "unpacking took longer than %" PRIu64 " ms (--init-timeout)",
                      stage->helper.allowed_ms);
    else if (WIFSIGNALED(status))
        (void)err_set(&stage->err, ERR_SYSTEM, 0, "unpacking was ended by signal %d (%s)",
                      WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        (void)err_set(&stage->err, ERR_SYSTEM, 0, "unpacking ended with status %d, saying nothing",
                      WEXITSTATUS(status));
}

static void on_done(struct helper *helper)
{
    struct stage *stage = container_of(helper, struct stage, helper);

    assert(helper->exited);
    /* Ignore `overdue` if the child finished just as time ran out: the owner enforces the deadline
     * of the whole /init. */
    stage->failed = !WIFEXITED(helper->wait_status) || WEXITSTATUS(helper->wait_status) != 0;
    if (stage->failed)
        explain(stage);
    else
        buf_add(&stage->said, buf_at(&helper->said), buf_len(&helper->said));
    buf_done(&helper->said);
    stage->done(stage);
}

static void on_direct(struct loop_post *post)
{
    struct stage *stage = container_of(post, struct stage, direct);

    assert(stage->name != NULL);
    stage->done(stage);
}

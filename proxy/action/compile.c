#include "action/compile.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/privileges.h"
#include "base/util.h"

#define CANNOT_RUN "cannot run the compiler: "
#define ANSWERS_FD 3 /* where an action writes its answers; what a compiler writes there is lost */

static void on_done(struct helper *helper);

/* ---- in the child process, before the compiler replaces it ---- */

static _Noreturn void child_fail(const char *what)
{
    (void)dprintf(STDERR_FILENO, CANNOT_RUN "%s: %s\n", what, strerror(errno));
    _exit(127);
}

static _Noreturn void child_run(struct helper *helper, int output, pid_t parent)
{
    const struct compile *compile = container_of(helper, struct compile, helper);
    const struct exec_spec *spec = &compile->spec;
    /* No O_CLOEXEC: the compiler must inherit descriptor 3. If open() itself returns 3, the dup2()
     * below would not clear that flag. */
    int nothing = open("/dev/null", O_RDWR);
    int os = 0;
    int failed = child_enter(spec->privileges, true, parent, &os);
    struct err err;

    if (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
        _exit(127); /* without its pipe, the child cannot tell the proxy why */
    if (failed != 0) {
        (void)privileges_explain(spec->privileges, failed, os, &err);
        (void)dprintf(STDERR_FILENO, CANNOT_RUN "%s\n", err.text);
        _exit(127);
    }
    /* A compiler may load a launcher, and launchers open /dev/fd/3 by path. If descriptor 3 were
     * free, the first file that the compiler opens for itself, such as Java's own library, would
     * get this number, and the launcher would open that file. */
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(nothing, ANSWERS_FD) < 0)
        child_fail("/dev/null");
    child_prepare(ANSWERS_FD + 1);
    child_limit(RLIMIT_CORE, 0);
    child_limit(RLIMIT_FSIZE, compile->file_max_bytes);
    environ = spec->env; /* execvp() looks up a bare name in the compiler's own PATH */
    (void)execvp(spec->argv[0], spec->argv);
    child_fail(spec->argv[0]);
}

/* ---- in the proxy ---- */

void compile_init(struct compile *compile)
{
    memset(compile, 0, sizeof(*compile));
    helper_init(&compile->helper, child_run, on_done, COMPILE_SAID_MAX_BYTES);
}

int compile_start(struct compile *compile, struct loop *loop, uint64_t deadline_at_ms,
                  struct err *err)
{
    assert(compile->done != NULL);
    assert(compile->spec.argv != NULL && compile->spec.argv[0] != NULL);
    return helper_start(&compile->helper, loop, deadline_at_ms, "compile", err);
}

void compile_cancel(struct compile *compile)
{
    helper_cancel(&compile->helper);
    exec_spec_done(&compile->spec);
}

static uint64_t limit_of(const struct compile *compile, enum privileges_limit which)
{
    const struct privileges *privileges = compile->spec.privileges;

    return privileges != NULL ? privileges->limits[which] : 0;
}

/* Set err: the compiler wrote too large a file. The text names the lower of the two bounds. */
static void judge_file_size(const struct compile *compile, struct err *err)
{
    uint64_t limit = limit_of(compile, LIMIT_FSIZE);
    bool by_limit = limit > 0 && limit < compile->file_max_bytes;

    (void)err_set(err, ERR_CODE, 0, "the compiler wrote a file of more than %" PRIu64 " bytes (%s)",
                  by_limit ? limit : compile->file_max_bytes,
                  by_limit ? "--rlimit-fsize" : "--unpack-max-bytes");
}

/* Decide whether the compiler failed, and why. The deadline is checked first: if it has passed, we
 * sent the signal that ended the compiler. */
static void judge(struct compile *compile)
{
    const struct helper *helper = &compile->helper;
    int status = helper->wait_status;
    struct err *err = &compile->err;

    assert(helper->exited);
    assert(WIFEXITED(status) || WIFSIGNALED(status));
    compile->failed = true;
    compile->lacks = !helper->overdue && !compile->must_be_silent && WIFEXITED(status) &&
                     WEXITSTATUS(status) == COMPILE_LACKS;
    if (helper->overdue)
        (void)err_set(err, ERR_LIMIT, 0,
                      "compiling took longer than %" PRIu64 " ms (--init-timeout)",
                      helper->allowed_ms);
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ)
        judge_file_size(compile, err);
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU && limit_of(compile, LIMIT_CPU) > 0)
        (void)err_set(err, ERR_CODE, 0,
                      "the compiler used more than %" PRIu64 " s of processor time (--rlimit-cpu)",
                      limit_of(compile, LIMIT_CPU));
    else if (WIFSIGNALED(status))
        (void)err_set(err, ERR_CODE, 0, "the compiler was ended by signal %d (%s)",
                      WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0 && !compile->lacks)
        (void)err_set(err, ERR_CODE, 0, "the compiler ended with status %d", WEXITSTATUS(status));
    else if (compile->must_be_silent && buf_len(&helper->said) > 0)
        (void)err_set(err, ERR_CODE, 0,
                      "the compiler ended well, but what it said counts as failure");
    else
        compile->failed = false;
}

void compile_explain(const struct compile *compile, struct buf *out)
{
    const struct helper *helper = &compile->helper;
    bool by_itself = compile->err.kind == ERR_CODE && WIFEXITED(helper->wait_status);
    size_t n = buf_len(&helper->said);
    char more[64];

    assert(compile->failed);
    assert(compile->err.kind == ERR_CODE || compile->err.kind == ERR_LIMIT);
    if (n > 0) {
        buf_add(out, buf_at(&helper->said), n);
        if ((!by_itself || helper->n_unsaid > 0) && buf_at(&helper->said)[n - 1] != '\n')
            buf_add_text(out, "\n");
    }
    if (helper->n_unsaid > 0) {
        (void)snprintf(more, sizeof(more), "... and %" PRIu64 " bytes more", helper->n_unsaid);
        buf_add_text(out, more);
    }
    /* If the compiler exited by itself and printed something, that explains the failure: do not add
     * err.text. */
    if (by_itself && n > 0)
        return;
    if (helper->n_unsaid > 0)
        buf_add_text(out, "\n");
    buf_add_text(out, compile->err.text);
}

static void on_done(struct helper *helper)
{
    struct compile *compile = container_of(helper, struct compile, helper);

    judge(compile);
    exec_spec_done(&compile->spec);
    compile->done(compile);
}

#include "action/build.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "action/user_names.h"
#include "base/oom.h"
#include "base/util.h"

#define DIRECT_MAX_BYTES (256u << 10) /* write code up to this size ourselves: faster than a fork */
#define PROGRAM          "exec"

void build_init(struct build *build)
{
    memset(build, 0, sizeof(*build));
    stage_init(&build->stage);
    compile_init(&build->compile);
}

void build_cancel(struct build *build)
{
    stage_cancel(&build->stage);
    compile_cancel(&build->compile);
    free(TAKE(build->dir));
    free(TAKE(build->lacks));
    buf_done(&build->why);
    buf_done(&build->said);
}

void build_in_place(struct build *build, char *dir, const struct runtime *runtime)
{
    assert(build->dir == NULL);
    assert(dir[0] == '/');
    assert(runtime != NULL);
    assert(build->version == 0);
    build->dir = dir;
    build->runtime = runtime;
}

/* The name under which the code is stored. NULL: it is an archive, or no runtime takes it. */
static const char *stored_name(const struct build *build, const struct envelope *envelope)
{
    assert(envelope->kind <= CODE_PACKED);
    if (envelope->kind > CODE_SCRIPT || build->runtime == NULL)
        return NULL;
    return runtime_source_name(build->runtime,
                               envelope->kind == CODE_SOURCE ? envelope->file : NULL);
}

void build_name_files(const struct build *build, const struct envelope *envelope,
                      struct user_names *names)
{
    auto_free char *bin =
        build->version > 0 ? store_path(build->opts->store, build->version, "bin") : NULL;
    /* build->dir is N/src (N: the number of the build's folder) until the compiler succeeds. The
     * messages of a failed compiler may name files in N/bin instead, as a linker's do. */
    bool is_bin = bin != NULL && buf_len(&build->why) > 0 &&
                  memmem(buf_at(&build->why), buf_len(&build->why), bin, strlen(bin)) != NULL;

    if (build->dir != NULL)
        user_names_set(names, is_bin ? bin : build->dir, stored_name(build, envelope),
                       envelope->file);
}

static void fail(struct build *build, const struct err *err)
{
    assert(!build->failed);
    assert(err->kind != ERR_NONE);
    build->failed = true;
    build->err = *err;
    build->done(build);
}

static void set_dir(struct build *build, const char *part)
{
    assert(build->version > 0);
    free(build->dir);
    build->dir = store_path(build->opts->store, build->version, part);
}

/* Whether the compiler failed by SIGKILL, or perhaps because one of its processes did: compilers
 * and shells then write "Killed", "killed" or "SIGKILL". */
static bool was_killed(const struct compile *compile)
{
    const struct helper *helper = &compile->helper;
    size_t n = buf_len(&helper->said);

    return helper_was_killed(helper) || (!helper->overdue && n > 0 &&
                                         (memmem(buf_at(&helper->said), n, "illed", 5) != NULL ||
                                          memmem(buf_at(&helper->said), n, "SIGKILL", 7) != NULL));
}

/* Add to the compiler's message that it lacked memory. */
static void say_lacked_memory(const struct build *build, struct buf *why)
{
    size_t n = buf_len(why);

    if (n > 0 && buf_at(why)[n - 1] != '\n')
        buf_add_text(why, "\n");
    buf_add_text(why, "The kernel killed a process of the compiler for lack of memory: give the "
                      "container more");
    buf_add_text(why, build->is_ahead ? "." : ", or compile beforehand with bin/build.sh.");
}

/* Give the folder to the user of opts->privileges, whose processes will fill it. */
static int give_folder(const struct build *build, const char *dir, struct err *err)
{
    if (privileges_give(build->opts->privileges, dir) < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot give folder \"%s\" to --user: %s", dir,
                       strerror(errno));
    return 0;
}

/* ---- looking into folders: with the action's rights, since its files may be hostile ---- */

/* Whether the compiler has produced something: `exec` (if it is a file, it is made executable here)
 * or one of the runtime's entry files. */
static bool is_built(const struct build *build)
{
    auto_fd int folder = open(build->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;

    assert(build->runtime != NULL);
    if (folder >= 0 && fstatat(folder, PROGRAM, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        /* Ruby's compiler does not make `exec` executable. If `exec` is a symbolic link, do not
         * change the mode of its target. */
        if (S_ISREG(st.st_mode))
            (void)fchmodat(folder, PROGRAM, 0755, 0);
        return S_ISREG(st.st_mode) || S_ISLNK(st.st_mode);
    }
    for (char **name = build->runtime->entry; folder >= 0 && *name != NULL; name++) {
        if (fstatat(folder, *name, &st, 0) == 0 && S_ISREG(st.st_mode))
            return true;
    }
    return false;
}

/* Whether the file `exec` in the folder is a program. Its first bytes decide, not its mode: a
 * source file may be marked executable, too. */
static bool holds_program(const char *dir)
{
    auto_free char *path = xasprintf("%s/" PROGRAM, dir);
    auto_fd int fd = fd_open_file(AT_FDCWD, path);

    return runtimes_is_program(fd);
}

/* ---- the steps, last one first ---- */

/* The last line of a text, without its newline; owned by the caller. */
static char *last_line(const struct buf *text)
{
    const char *bytes = buf_at(text);
    size_t n = buf_len(text);
    const char *newline;

    while (n > 0 && bytes[n - 1] == '\n')
        n--;
    newline = memrchr(bytes, '\n', n);
    return newline != NULL ? xstrndup(newline + 1, (size_t)(bytes + n - newline - 1))
                           : xstrndup(bytes, n);
}

static void on_compiled(struct compile *compile)
{
    struct build *build = container_of(compile, struct build, compile);
    struct err err;
    bool built;

    assert(build->runtime != NULL);
    if (compile->failed) {
        compile_explain(compile, &build->why);
        if (was_killed(compile) && oom_claim(build->opts->oom, loop_now_ms(build->loop)))
            say_lacked_memory(build, &build->why);
        build->tells_client = WIFEXITED(compile->helper.wait_status) &&
                              WEXITSTATUS(compile->helper.wait_status) == COMPILE_TELLS_CLIENT;
        fail(build, &compile->err);
        return;
    }
    set_dir(build, "bin");
    privileges_borrow(build->opts->privileges);
    built = is_built(build);
    privileges_return(build->opts->privileges);
    if (!built) {
        buf_add_text(&build->why, "cannot compile"); /* text from openwhisk-contract, section 1.3 */
        (void)err_set(&err, ERR_CODE, 0, "the compiler ended well, but built nothing to run");
        fail(build, &err);
        return;
    }
    if (compile->lacks)
        build->lacks = last_line(&compile->helper.said);
    buf_add(&build->said, buf_at(&compile->helper.said), buf_len(&compile->helper.said));
    buf_done(&compile->helper.said);
    build->done(build);
}

/* Fill the compiler's exec spec: the action's environment, the proxy's working folder, and the
 * arguments that ActionLoop defines (main, source folder, target folder). Both folders are
 * absolute paths. Compilers may write these paths into the files that they build. */
static void prepare_spec(struct build *build, const char *bin)
{
    struct runtime compiler = *build->runtime;
    struct exec_spec *spec = &build->compile.spec;
    uint64_t now_ms = loop_now_ms(build->loop);
    char left_ms[24];

    assert(compiler.compile != NULL);
    compiler.launch = compiler.compile;
    privileges_borrow(build->opts->privileges);
    runtime_exec_spec(&compiler, bin, build->envelope->main, build->opts->environ,
                      build->envelope->env, spec);
    privileges_return(build->opts->privileges);
    strv_push(&spec->argv, xstrdup(build->envelope->main));
    strv_push(&spec->argv, xstrdup(build->dir));
    strv_push(&spec->argv, xstrdup(bin));
    free(TAKE(spec->cwd));
    (void)snprintf(left_ms, sizeof(left_ms), "%" PRIu64,
                   build->deadline_at_ms > now_ms ? build->deadline_at_ms - now_ms : 0);
    strv_setenv(&spec->env, "__OW_COMPILE_MS", left_ms);
    if (build->is_ahead)
        strv_setenv(&spec->env, "__OW_COMPILE_AHEAD", "1");
    spec->privileges = build->opts->privileges;
}

static int begin_compiling(struct build *build, struct err *err)
{
    const struct build_opts *opts = build->opts;
    struct compile *compile = &build->compile;
    auto_free char *bin = store_path(opts->store, build->version, "bin");

    if (store_make_bin(opts->store, build->version, err) < 0 || give_folder(build, bin, err) < 0)
        return -1;
    prepare_spec(build, bin);
    compile->file_max_bytes = opts->unpack.bytes_max;
    compile->must_be_silent = build->runtime->builds_all;
    compile->done = on_compiled;
    return compile_start(compile, build->loop, build->deadline_at_ms, err);
}

/* Choose the runtime for an unpacked archive. Call while the proxy has the rights of the action's
 * user. */
static const struct runtime *choose(const struct build *build, struct err *err)
{
    const struct build_opts *opts = build->opts;
    const struct runtime *chosen;

    assert(opts->fallback != NULL);
    if (opts->fallback->builds_all && !holds_program(build->dir))
        return opts->fallback;
    chosen = runtimes_for_folder(opts->runtimes, opts->fallback, build->dir, err);
    if (chosen == NULL && err->kind == ERR_CODE && opts->fallback->any_archive)
        chosen = opts->fallback;
    return chosen;
}

/* Once the code is in N/src: choose the runtime, then rename to N/bin or start the compiler.
 * 1: done; 0: a compiler is running; -1: failed. */
static int go_on(struct build *build, struct err *err)
{
    const struct build_opts *opts = build->opts;
    bool must_compile;

    privileges_borrow(opts->privileges);
    if (build->runtime == NULL)
        build->runtime = choose(build, err);
    must_compile =
        build->runtime != NULL && (build->is_ahead ? build->runtime->compile != NULL
                                                   : runtime_compiles(build->runtime, build->dir));
    privileges_return(opts->privileges);
    if (build->runtime == NULL)
        return -1;
    if (must_compile)
        return begin_compiling(build, err);
    if (store_commit(opts->store, build->version, err) < 0)
        return -1;
    set_dir(build, "bin");
    return 1;
}

static void on_staged(struct stage *stage)
{
    struct build *build = container_of(stage, struct build, stage);
    struct err err;
    int result;

    if (stage->failed) {
        if (stage->killed && oom_claim(build->opts->oom, loop_now_ms(build->loop)))
            (void)err_set(&stage->err, ERR_SYSTEM, 0,
                          "the kernel killed the process that unpacks for lack of memory: give the "
                          "container more");
        fail(build, &stage->err);
        return;
    }
    assert(build->said.bytes == NULL);
    build->said = stage->said;
    memset(&stage->said, 0, sizeof(stage->said));
    /* The code is on disk now: free the copy in memory, which may be large. */
    envelope_drop_code(build->envelope);
    result = go_on(build, &err);
    if (result < 0)
        fail(build, &err);
    else if (result > 0)
        build->done(build);
}

int build_start(struct build *build, struct loop *loop, uint64_t deadline_at_ms, struct err *err)
{
    const struct build_opts *opts = build->opts;
    const struct envelope *envelope = build->envelope;
    struct stage *stage = &build->stage;

    assert(build->done != NULL);
    assert(build->version == 0);
    assert(build->dir == NULL);
    assert(!build->failed);
    if (store_stage(opts->store, &build->version, err) < 0)
        return -1;
    build->loop = loop;
    build->deadline_at_ms = deadline_at_ms;
    set_dir(build, "src");
    /* The action's user owns the folder, so that the action may write beside its code. */
    if (give_folder(build, build->dir, err) < 0)
        return -1;
    stage->dir = build->dir;
    build->runtime = runtimes_for_kind(
        opts->runtimes, build->source != NULL ? build->source : opts->fallback, envelope->kind);
    stage->name = stored_name(build, envelope);
    stage->jar_name = opts->save_jar;
    stage->code = envelope->code;
    stage->code_len = envelope->code_len;
    stage->direct_max_bytes = DIRECT_MAX_BYTES;
    stage->limits = opts->unpack;
    stage->keeps_failed = opts->keeps_failed;
    stage->privileges = opts->privileges;
    stage->done = on_staged;
    return stage_start(stage, loop, deadline_at_ms, err);
}

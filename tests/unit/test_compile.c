/* Compilers as real children: what they say, how they end, and that nothing of them is left. */

#include "test.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "action/compile.h"
#include "folder.h"

#define A_MINUTE_MS 60000

/* The loop blocks signals and reaps for the whole process, so all tests share one. */
static struct loop *loop;

struct fixture {
    struct folder folder;
    struct compile compile;
    struct buf text;
    unsigned n_done;
};

static struct fixture *running; /* the test at work */

static void on_done(struct compile *compile)
{
    assert_ptr_equal(compile, &running->compile);
    running->n_done++;
    loop_stop(loop);
}

static int set_up(void **state)
{
    struct fixture *f = folder_set_up(state, sizeof(*f));

    compile_init(&f->compile);
    f->compile.file_max_bytes = 1U << 20;
    f->compile.done = on_done;
    running = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    compile_cancel(&f->compile);
    buf_done(&f->text);
    return folder_tear_down(state);
}

/* A shell script as the compiler; it sees MAIN SRC BIN as $1 $2 $3, and the test's folder as
 * $OUT. */
static void start(struct fixture *f, const char *script, uint64_t ms)
{
    struct exec_spec *spec = &f->compile.spec;
    struct err err;

    strv_push(&spec->argv, xstrdup("sh"));
    strv_push(&spec->argv, xstrdup("-c"));
    strv_push(&spec->argv, xstrdup(script));
    strv_push(&spec->argv, xstrdup("sh"));
    strv_push(&spec->argv, xstrdup("main"));
    strv_setenv(&spec->env, "PATH", "/usr/bin:/bin");
    strv_setenv(&spec->env, "OUT", f->folder.in);
    assert_int_equal(compile_start(&f->compile, loop, loop_now_ms(loop) + ms, &err), 0);
}

static void run(struct fixture *f, const char *script, uint64_t ms)
{
    start(f, script, ms);
    assert_int_equal(f->n_done, 0);
    loop_run(loop);
    assert_int_equal(f->n_done, 1);
}

/* What the client would read. */
static const char *text(struct fixture *f)
{
    compile_explain(&f->compile, &f->text);
    buf_add(&f->text, "", 1);
    return buf_at(&f->text);
}

static void silence_and_status_zero_are_success(void **state)
{
    struct fixture *f = *state;

    f->compile.must_be_silent = true;
    run(f, "echo \"$1\" > $OUT/built", A_MINUTE_MS);
    assert_false(f->compile.failed);
    assert_string_equal(folder_read(f->folder.in, "built"), "main\n");
}

static void warnings_are_kept_when_they_are_no_failure(void **state)
{
    struct fixture *f = *state;

    run(f, "echo careful >&2", A_MINUTE_MS);
    assert_false(f->compile.failed);
    assert_memory_equal(buf_at(&f->compile.helper.said), "careful\n", 8);
}

static void status_75_says_that_something_is_missing_and_is_no_failure(void **state)
{
    struct fixture *f = *state;

    run(f, "echo no greet; exit 75", A_MINUTE_MS);
    assert_false(f->compile.failed);
    assert_true(f->compile.lacks);
}

static void status_75_fails_a_compiler_that_must_be_silent(void **state)
{
    struct fixture *f = *state;

    f->compile.must_be_silent = true;
    run(f, "exit 75", A_MINUTE_MS);
    assert_true(f->compile.failed);
    assert_false(f->compile.lacks);
}

static void one_byte_fails_a_compiler_that_must_be_silent(void **state)
{
    struct fixture *f = *state;

    f->compile.must_be_silent = true;
    run(f, "printf w", A_MINUTE_MS);
    assert_true(f->compile.failed);
    assert_int_equal(f->compile.err.kind, ERR_CODE);
    assert_string_equal(text(f), "w");
}

static void what_it_said_is_told_word_for_word_in_order(void **state)
{
    struct fixture *f = *state;

    run(f, "echo one; echo two >&2; echo three; exit 2", A_MINUTE_MS);
    assert_true(f->compile.failed);
    assert_int_equal(f->compile.err.kind, ERR_CODE);
    assert_string_equal(text(f), "one\ntwo\nthree\n");
}

static void a_failure_without_a_word_is_told_in_ours(void **state)
{
    struct fixture *f = *state;

    run(f, "exit 3", A_MINUTE_MS);
    assert_string_equal(text(f), "the compiler ended with status 3");
}

static void a_signal_is_named_behind_what_was_said(void **state)
{
    struct fixture *f = *state;

    run(f, "printf half; kill -9 $$", A_MINUTE_MS);
    assert_int_equal(f->compile.err.kind, ERR_CODE);
    assert_string_equal(text(f), "half\nthe compiler was ended by signal 9 (Killed)");
}

/* The text for a compiler that has used up its processor time needs a bound that it had. */
static void a_signal_for_processor_time_that_nobody_bounds_is_named(void **state)
{
    struct fixture *f = *state;

    run(f, "kill -XCPU $$", A_MINUTE_MS);
    assert_string_equal(text(f), "the compiler was ended by signal 24 (CPU time limit exceeded)");
}

/* Its time is up as soon as it has said something. */
static void on_look(struct loop_timer *look)
{
    struct helper *helper = &running->compile.helper;

    loop_timer_set(loop, buf_len(&helper->said) > 0 ? &helper->late : look, loop_now_ms(loop) + 1);
}

static void one_that_hangs_is_ended_at_its_deadline(void **state)
{
    struct fixture *f = *state;
    struct loop_timer look;

    loop_timer_init(&look, on_look);
    loop_timer_set(loop, &look, 0);
    run(f, "echo begun; sleep 1000000", A_MINUTE_MS);
    assert_true(f->compile.failed);
    assert_int_equal(f->compile.err.kind, ERR_LIMIT);
    assert_string_equal(text(f), "begun\ncompiling took longer than 60000 ms (--init-timeout)");
}

static void what_it_leaves_running_holds_nobody_up_and_is_killed(void **state)
{
    struct fixture *f = *state;
    pid_t pid;

    run(f, "sleep 1000000 & echo $! > $OUT/pid", A_MINUTE_MS);
    assert_false(f->compile.failed);
    pid = (pid_t)strtol(folder_read(f->folder.in, "pid"), NULL, 10);
    assert_true(pid > 1);
    /* We are its reaper, or the loop was: a living one would be waited for without end. */
    (void)waitpid(pid, NULL, 0);
    assert_int_equal(kill(pid, 0), -1);
}

static void a_file_beyond_the_bound_ends_it(void **state)
{
    struct fixture *f = *state;

    run(f, "exec head -c 2000000 /dev/zero > $OUT/big", A_MINUTE_MS);
    assert_true(f->compile.failed);
    assert_string_equal(text(f), "the compiler wrote a file of more than 1048576 bytes "
                                 "(--unpack-max-bytes)");
}

/* At the bound all is kept, one byte more is counted. */
static void floods_are_read_to_the_end_and_kept_to_the_bound(void **state)
{
    struct fixture *f = *state;

    run(f, "head -c 131072 /dev/zero | tr '\\0' x; exit 1", A_MINUTE_MS);
    assert_int_equal(buf_len(&f->compile.helper.said), COMPILE_SAID_MAX_BYTES);
    assert_int_equal(f->compile.helper.n_unsaid, 0);
}

static void one_byte_beyond_the_bound_is_counted(void **state)
{
    struct fixture *f = *state;
    const char *said;

    run(f, "head -c 131073 /dev/zero | tr '\\0' x; exit 1", A_MINUTE_MS);
    assert_int_equal(buf_len(&f->compile.helper.said), COMPILE_SAID_MAX_BYTES);
    assert_int_equal(f->compile.helper.n_unsaid, 1);
    said = text(f);
    assert_string_equal(said + COMPILE_SAID_MAX_BYTES, "\n... and 1 bytes more");
}

static void a_compiler_that_is_not_there_is_named(void **state)
{
    struct fixture *f = *state;
    struct err err;

    strv_push(&f->compile.spec.argv, xstrdup("/no/such/compiler"));
    strv_setenv(&f->compile.spec.env, "PATH", "/bin");
    assert_int_equal(compile_start(&f->compile, loop, loop_now_ms(loop) + A_MINUTE_MS, &err), 0);
    loop_run(loop);
    assert_true(f->compile.failed);
    assert_string_equal(text(f), "cannot run the compiler: /no/such/compiler: "
                                 "No such file or directory\n");
}

static void cancelled_it_is_killed_and_nothing_is_told(void **state)
{
    struct fixture *f = *state;
    pid_t pid;
    int status;

    start(f, "sleep 1000000", A_MINUTE_MS);
    pid = f->compile.helper.child.pid;
    compile_cancel(&f->compile);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_int_equal(f->n_done, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(silence_and_status_zero_are_success),
        TEST(warnings_are_kept_when_they_are_no_failure),
        TEST(status_75_says_that_something_is_missing_and_is_no_failure),
        TEST(status_75_fails_a_compiler_that_must_be_silent),
        TEST(one_byte_fails_a_compiler_that_must_be_silent),
        TEST(what_it_said_is_told_word_for_word_in_order),
        TEST(a_failure_without_a_word_is_told_in_ours),
        TEST(a_signal_is_named_behind_what_was_said),
        TEST(a_signal_for_processor_time_that_nobody_bounds_is_named),
        TEST(one_that_hangs_is_ended_at_its_deadline),
        TEST(what_it_leaves_running_holds_nobody_up_and_is_killed),
        TEST(a_file_beyond_the_bound_ends_it),
        TEST(floods_are_read_to_the_end_and_kept_to_the_bound),
        TEST(one_byte_beyond_the_bound_is_counted),
        TEST(a_compiler_that_is_not_there_is_named),
        TEST(cancelled_it_is_killed_and_nothing_is_told),
    };
    struct err err;
    int failed;

    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    loop = loop_new(&err);
    assert_non_null(loop);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    loop_free(&loop);
    return failed;
}

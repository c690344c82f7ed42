#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "folder.h"
#include "loop_fixture.h"
#include "spawn_fixture.h"

struct fixture {
    struct folder folder;
    struct exec_spec spec;
    struct spawned child;
    struct err err;
    char text[4096];
};

static int set_up(void **state)
{
    struct fixture *f = folder_set_up(state, sizeof(*f));

    f->child = SPAWNED_NONE;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    child_end(&f->child);
    exec_spec_done(&f->spec);
    return folder_tear_down(state);
}

static void start(struct fixture *f)
{
    assert_int_equal(spawn_start(&f->spec, 0, &f->child, &f->err), 0);
}

/* All that comes on fd until its end. */
static const char *heard(struct fixture *f, int fd)
{
    return heard_on(fd, f->text, sizeof(f->text));
}

static const char *told(struct fixture *f, const char *what)
{
    char step[64];

    (void)snprintf(step, sizeof(step), "tell1:%s", what);
    strv_push(&f->spec.argv, xstrdup(step));
    start(f);
    return heard(f, f->child.fd1);
}

static int exit_status(struct fixture *f)
{
    int status;

    assert_int_equal(waitpid(f->child.pid, &status, 0), f->child.pid);
    f->child.pid = 0;
    return status;
}

/* ---- what the child gets ---- */

static void the_child_writes_on_three_pipes(void **state)
{
    struct fixture *f = *state;

    f->spec = launch_child(ANSWERS_FD3, false, "line1:one", "line2:two", "line3:three", NULL);
    start(f);
    assert_string_equal(heard(f, f->child.fd1), "one\n");
    assert_string_equal(heard(f, f->child.fd2), "two\n");
    assert_string_equal(heard(f, f->child.fd3), "three\n");
}

static void the_child_reads_what_we_write(void **state)
{
    struct fixture *f = *state;

    f->spec = launch_child(ANSWERS_FD3, false, "serve", NULL);
    start(f);
    assert_int_equal(fd_write_all(f->child.in, "line3:heard\n", 12), 0);
    fd_close(&f->child.in);
    assert_string_equal(heard(f, f->child.fd3), "heard\n");
}

static void the_child_gets_no_other_descriptor_of_ours(void **state)
{
    struct fixture *f = *state;

    for (int fd = 4; fd < 1024; fd++) /* whoever runs the tests may have left us some */
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    f->spec = launch_child(ANSWERS_FD3, false, NULL);
    assert_string_equal(told(f, "descriptors"), "f\n");
}

static void the_child_has_a_process_group_of_its_own(void **state)
{
    struct fixture *f = *state;

    f->spec = launch_child(ANSWERS_FD3, false, NULL);
    assert_string_equal(told(f, "group"), "its own\n");
}

static void the_child_starts_in_the_wanted_folder(void **state)
{
    struct fixture *f = *state;
    auto_free char *wanted = xasprintf("%s\n", f->folder.in);

    f->spec = launch_child(ANSWERS_FD3, false, NULL);
    free(f->spec.cwd);
    f->spec.cwd = xstrdup(f->folder.in);
    assert_string_equal(told(f, "cwd"), wanted);
}

static void the_child_gets_the_launchs_environment_only(void **state)
{
    struct fixture *f = *state;

    f->spec = launch_child(ANSWERS_FD3, false, "tell1:MINE", "tell1:WHISKLOOP_TEST_CHILD", NULL);
    strv_setenv(&f->spec.env, "MINE", "yes");
    start(f);
    assert_string_equal(heard(f, f->child.fd1), "yes\n(unset)\n");
}

static void the_child_starts_with_default_signals(void **state)
{
    struct fixture *f = *state;
    sigset_t set;

    (void)sigfillset(&set);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    f->spec = launch_child(ANSWERS_FD3, false, NULL);
    assert_string_equal(told(f, "signals"), "0 blocked, SIGPIPE default\n");
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void our_own_signal_mask_stays(void **state)
{
    struct fixture *f = *state;
    sigset_t mask;

    f->spec = launch_child(ANSWERS_FD3, false, NULL);
    start(f);
    (void)sigprocmask(SIG_SETMASK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGUSR1), 0);
}

static void our_ends_are_closed_on_exec_and_out_of_the_childs_way(void **state)
{
    struct fixture *f = *state;

    f->spec = launch_child(ANSWERS_FD3, false, NULL);
    start(f);
    {
        const int ours[] = {f->child.in, f->child.fd1, f->child.fd2, f->child.fd3};

        for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
            assert_true(ours[i] > 3);
            assert_int_equal(fcntl(ours[i], F_GETFD), FD_CLOEXEC);
        }
    }
}

static void the_pipes_are_as_large_as_is_asked(void **state)
{
    struct fixture *f = *state;

    f->spec = launch_child(ANSWERS_FD3, false, NULL);
    assert_int_equal(spawn_start(&f->spec, 1 << 17, &f->child, &f->err), 0);
    assert_int_equal(fcntl(f->child.in, F_GETPIPE_SZ), 1 << 17);
    assert_int_equal(fcntl(f->child.fd3, F_GETPIPE_SZ), 1 << 17);
}

static void input_can_be_a_socket_that_goes_both_ways(void **state)
{
    struct fixture *f = *state;

    f->spec = launch_child(ANSWERS_FD3, false, "line0:back", "serve", NULL);
    f->spec.socket_in = true;
    assert_int_equal(spawn_start(&f->spec, 1 << 17, &f->child, &f->err), 0);
    assert_int_equal(fd_write_all(f->child.in, "line0:heard;exit:0\n", 19), 0);
    assert_string_equal(heard(f, f->child.in), "back\nheard\n");
    assert_int_equal(fcntl(f->child.fd3, F_GETPIPE_SZ), 1 << 17);
}

static void pipes_alone_are_joined_crosswise_and_closed_on_exec(void **state)
{
    struct fixture *f = *state;
    int theirs[4];
    char text[8];

    assert_int_equal(spawn_pipes(1 << 17, NULL, &f->child, theirs, &f->err), 0);
    assert_int_equal(f->child.pid, 0);
    {
        const int ours[] = {f->child.in, f->child.fd1, f->child.fd2, f->child.fd3};

        for (int i = 0; i < 4; i++) {
            assert_int_equal(fcntl(ours[i], F_GETFD), FD_CLOEXEC);
            assert_int_equal(fcntl(theirs[i], F_GETFD), FD_CLOEXEC);
            assert_int_equal(fd_write_all(i == 0 ? ours[i] : theirs[i], "to and", 6), 0);
            assert_int_equal(read(i == 0 ? theirs[i] : ours[i], text, sizeof(text)), 6);
            fd_close(&theirs[i]);
        }
    }
    assert_int_equal(fcntl(f->child.in, F_GETPIPE_SZ), 1 << 17);
}

static void a_size_that_cannot_be_had_is_no_error(void **state)
{
    struct fixture *f = *state;

    f->spec = launch_child(ANSWERS_FD3, false, "line1:here", NULL);
    assert_int_equal(spawn_start(&f->spec, INT32_MAX, &f->child, &f->err), 0);
    assert_string_equal(heard(f, f->child.fd1), "here\n");
}

/* ---- finding the program ---- */

static void a_bare_name_is_looked_up_in_the_childs_path(void **state)
{
    struct fixture *f = *state;
    auto_free char *path = xasprintf("/nowhere::%s", f->folder.in);

    folder_write(f->folder.in, "only-here", "#!/bin/sh\necho found\n", 0755);
    f->spec = spec_of("only-here");
    strv_setenv(&f->spec.env, "PATH", path);
    start(f);
    assert_string_equal(heard(f, f->child.fd1), "found\n");
}

static void without_a_path_the_usual_folders_are_searched(void **state)
{
    struct fixture *f = *state;

    f->spec = spec_of("sh");
    strv_free(&f->spec.env);
    strv_push(&f->spec.env, xstrdup("A=b"));
    strv_push(&f->spec.argv, xstrdup("-c"));
    strv_push(&f->spec.argv, xstrdup("echo found"));
    start(f);
    assert_string_equal(heard(f, f->child.fd1), "found\n");
}

static void a_name_that_is_nowhere_is_said(void **state)
{
    struct fixture *f = *state;

    f->spec = spec_of("no-such-program");
    assert_int_equal(spawn_start(&f->spec, 0, &f->child, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_ACTION);
    assert_int_equal(f->err.os, ENOENT);
    assert_string_equal(f->err.text, "cannot run \"no-such-program\": not found in PATH");
}

static void a_name_that_is_nowhere_tells_what_is_needed(void **state)
{
    struct fixture *f = *state;

    f->spec = spec_of("no-such-program");
    f->spec.shortfall = xstrdup("the package p");
    assert_int_equal(spawn_start(&f->spec, 0, &f->child, &f->err), -1);
    assert_non_null(strstr(f->err.text, "not found in PATH; it needs the package p"));
}

static void a_path_that_is_missing_is_an_error_of_the_action(void **state)
{
    struct fixture *f = *state;

    f->spec = spec_of("/nowhere/program");
    assert_int_equal(spawn_start(&f->spec, 0, &f->child, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_ACTION);
    assert_int_equal(f->err.os, ENOENT);
    assert_non_null(strstr(f->err.text, "\"/nowhere/program\""));
}

static void a_file_that_is_no_program_is_an_error_of_the_action(void **state)
{
    struct fixture *f = *state;
    auto_free char *path = xasprintf("%s/text", f->folder.in);

    folder_write(f->folder.in, "text", "no program", 0755);
    f->spec = spec_of(path);
    assert_int_equal(spawn_start(&f->spec, 0, &f->child, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_ACTION);
    assert_int_equal(f->err.os, ENOEXEC);
}

static void a_folder_that_is_missing_is_named(void **state)
{
    struct fixture *f = *state;

    f->spec = launch_child(ANSWERS_FD3, false, NULL);
    free(f->spec.cwd);
    f->spec.cwd = xstrdup("/nowhere");
    assert_int_equal(spawn_start(&f->spec, 0, &f->child, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_SYSTEM);
    assert_string_equal(f->err.text,
                        "cannot enter the action's folder \"/nowhere\": No such file or directory");
}

static unsigned n_descriptors(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void a_failed_start_leaves_no_descriptor_open(void **state)
{
    struct fixture *f = *state;
    unsigned before = n_descriptors();

    f->spec = spec_of("/nowhere/program");
    assert_int_equal(spawn_start(&f->spec, 0, &f->child, &f->err), -1);
    assert_int_equal(n_descriptors(), before);
    assert_int_equal(f->child.in, -1);
}

static void without_descriptors_the_system_is_to_blame(void **state)
{
    struct fixture *f = *state;
    struct rlimit before;
    struct rlimit few;
    int result;

    f->spec = launch_child(ANSWERS_FD3, false, NULL);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 12; /* some pipes can be had, not all */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    result = spawn_start(&f->spec, 0, &f->child, &f->err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(result, -1);
    assert_int_equal(f->err.kind, ERR_SYSTEM);
    /* EINVAL: the low end of the range that is asked for lies above the limit. */
    assert_true(f->err.os == EMFILE || f->err.os == EINVAL);
}

/* ---- killing ---- */

static void a_signal_reaches_the_child(void **state)
{
    struct fixture *f = *state;
    int status;

    f->spec = launch_child(ANSWERS_FD3, false, "deaf", NULL);
    start(f);
    spawn_kill(f->child.pid, SIGTERM);
    status = exit_status(f);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
}

static void a_signal_reaches_what_the_child_started(void **state)
{
    struct fixture *f = *state;

    f->spec = launch_child(ANSWERS_FD3, false, "grandchild:deaf", "line1:ready", "deaf", NULL);
    start(f);
    assert_int_equal(read(f->child.fd1, f->text, 6), 6);
    spawn_kill(f->child.pid, SIGKILL);
    /* The stream ends only when nobody holds it any more. */
    assert_string_equal(heard(f, f->child.fd1), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(the_child_writes_on_three_pipes),
        TEST(the_child_reads_what_we_write),
        TEST(the_child_gets_no_other_descriptor_of_ours),
        TEST(the_child_has_a_process_group_of_its_own),
        TEST(the_child_starts_in_the_wanted_folder),
        TEST(the_child_gets_the_launchs_environment_only),
        TEST(the_child_starts_with_default_signals),
        TEST(our_own_signal_mask_stays),
        TEST(our_ends_are_closed_on_exec_and_out_of_the_childs_way),
        TEST(the_pipes_are_as_large_as_is_asked),
        TEST(input_can_be_a_socket_that_goes_both_ways),
        TEST(pipes_alone_are_joined_crosswise_and_closed_on_exec),
        TEST(a_size_that_cannot_be_had_is_no_error),
        TEST(a_bare_name_is_looked_up_in_the_childs_path),
        TEST(without_a_path_the_usual_folders_are_searched),
        TEST(a_name_that_is_nowhere_is_said),
        TEST(a_name_that_is_nowhere_tells_what_is_needed),
        TEST(a_path_that_is_missing_is_an_error_of_the_action),
        TEST(a_file_that_is_no_program_is_an_error_of_the_action),
        TEST(a_folder_that_is_missing_is_named),
        TEST(a_failed_start_leaves_no_descriptor_open),
        TEST(without_descriptors_the_system_is_to_blame),
        TEST(a_signal_reaches_the_child),
        TEST(a_signal_reaches_what_the_child_started),
    };

    return cmocka_run_group_tests_name("spawn", tests, NULL, NULL);
}

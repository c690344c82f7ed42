/* Staging with real children: what they leave on disk, what they report, and how they end. */

#include "test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "action/stage.h"
#include "folder.h"
#include "pack.h"

#define A_MINUTE_MS 60000

/* The loop blocks signals and reaps for the whole process, so all tests share one. */
static struct loop *loop;

struct fixture {
    struct folder folder;
    struct pack pack;
    struct stage stage;
    struct err err;
    unsigned n_done;
};

static struct fixture *running; /* the test at work */
static struct pack long_work;   /* owned by main() */

static void on_done(struct stage *stage)
{
    assert_ptr_equal(stage, &running->stage);
    running->n_done++;
    loop_stop(loop);
}

static int set_up(void **state)
{
    struct fixture *f = folder_set_up(state, sizeof(*f));

    stage_init(&f->stage);
    f->stage.dir = f->folder.in;
    f->stage.limits = (struct unpack_limits){.bytes_max = 1U << 30, .entries_max = 1000};
    f->stage.done = on_done;
    running = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    stage_cancel(&f->stage);
    pack_done(&f->pack);
    return folder_tear_down(state);
}

static void give_archive(struct fixture *f)
{
    pack_finish(&f->pack);
    f->stage.code = f->pack.bytes;
    f->stage.code_len = f->pack.n;
}

static void give_file(struct fixture *f, const char *name, const char *text)
{
    f->stage.name = name;
    f->stage.code = text;
    f->stage.code_len = strlen(text);
}

/* Work that a child is still at whatever the test does meanwhile; packed once for all tests. */
static void give_long_work(struct fixture *f)
{
    f->stage.code = long_work.bytes;
    f->stage.code_len = long_work.n;
}

static void pack_long_work(void)
{
    auto_free char *zeros = xcalloc(1, 64U << 20);

    pack_init(&long_work, PACK_TARGZ);
    for (unsigned i = 0; i < 6; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "%u", i);
        pack_entry(&long_work, name, AE_IFREG, 0644, NULL, zeros, 64U << 20);
    }
    pack_finish(&long_work);
}

static void start(struct fixture *f, uint64_t span_ms)
{
    assert_int_equal(stage_start(&f->stage, loop, loop_now_ms(loop) + span_ms, &f->err), 0);
    assert_int_equal(f->n_done, 0);
}

static void run(struct fixture *f, uint64_t span_ms)
{
    start(f, span_ms);
    loop_run(loop);
    assert_int_equal(f->n_done, 1);
}

static void assert_failed(const struct fixture *f, enum err_kind kind, const char *words)
{
    assert_true(f->stage.failed);
    if (strstr(f->stage.err.text, words) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", f->stage.err.text, words);
    assert_int_equal(f->stage.err.kind, kind);
}

/* ---- it works ---- */

static void an_archive_is_unpacked(void **state)
{
    struct fixture *f = *state;

    pack_init(&f->pack, PACK_ZIP);
    pack_file(&f->pack, "__main__.py", "text");
    give_archive(f);
    run(f, A_MINUTE_MS);
    assert_false(f->stage.failed);
    assert_string_equal(folder_read(f->folder.in, "__main__.py"), "text");
}

static void a_single_file_is_written(void **state)
{
    struct fixture *f = *state;

    give_file(f, "exec", "#!/bin/sh\n");
    run(f, A_MINUTE_MS);
    assert_false(f->stage.failed);
    assert_string_equal(folder_read(f->folder.in, "exec"), "#!/bin/sh\n");
    assert_int_equal(folder_mode(f->folder.in, "exec") & 07777, 0755);
}

static void a_single_file_may_be_larger_than_an_archive_may_hold(void **state)
{
    struct fixture *f = *state;

    f->stage.limits.bytes_max = 1;
    give_file(f, "exec", "#!/bin/sh\n");
    run(f, A_MINUTE_MS);
    assert_false(f->stage.failed);
}

static void the_proxys_umask_does_not_reach_the_files(void **state)
{
    struct fixture *f = *state;

    pack_init(&f->pack, PACK_ZIP);
    pack_file(&f->pack, "a", "text");
    give_archive(f);
    (void)umask(077);
    run(f, A_MINUTE_MS);
    (void)umask(022);
    assert_int_equal(folder_mode(f->folder.in, "a") & 07777, 0644);
}

static void the_working_folder_of_the_proxy_stays(void **state)
{
    struct fixture *f = *state;
    char cwd[4096];

    assert_int_equal(chdir("/"), 0);
    pack_init(&f->pack, PACK_ZIP);
    pack_file(&f->pack, "a", "text");
    give_archive(f);
    run(f, A_MINUTE_MS);
    assert_string_equal(getcwd(cwd, sizeof(cwd)), "/");
}

/* ---- it fails ---- */

static void what_is_no_archive_is_reported_as_bad_code(void **state)
{
    struct fixture *f = *state;

    give_file(f, NULL, "no archive");
    run(f, A_MINUTE_MS);
    assert_failed(f, ERR_CODE, "cannot read archive: ");
}

static void a_bound_of_the_archive_is_reported_as_a_limit(void **state)
{
    struct fixture *f = *state;

    pack_init(&f->pack, PACK_ZIP);
    pack_file(&f->pack, "a", "12345");
    give_archive(f);
    f->stage.limits.bytes_max = 4;
    run(f, A_MINUTE_MS);
    assert_failed(f, ERR_LIMIT, "archive unpacks to more than 4 bytes (--unpack-max-bytes)");
}

static void a_missing_folder_is_reported_as_the_systems_fault(void **state)
{
    struct fixture *f = *state;

    give_file(f, "exec", "x");
    f->stage.dir = "/no/such/folder";
    run(f, A_MINUTE_MS);
    assert_failed(f, ERR_SYSTEM, "/no/such/folder");
}

static void a_text_as_long_as_an_err_holds_is_reported(void **state)
{
    struct fixture *f = *state;
    auto_free char *dir = xcalloc(1, 3001);

    memset(dir, 'd', 3000);
    dir[0] = '/';
    give_file(f, "exec", "x");
    f->stage.dir = dir;
    run(f, A_MINUTE_MS);
    assert_failed(f, ERR_SYSTEM, "cannot enter folder");
}

static void unpacking_past_the_deadline_is_ended(void **state)
{
    struct fixture *f = *state;

    give_long_work(f);
    run(f, 1);
    assert_failed(f, ERR_LIMIT, "unpacking took longer than 1 ms (--init-timeout)");
    assert_true(WIFSIGNALED(f->stage.helper.wait_status));
}

static void a_deadline_that_has_passed_ends_it_at_once(void **state)
{
    struct fixture *f = *state;

    give_long_work(f);
    assert_int_equal(stage_start(&f->stage, loop, 1, &f->err), 0);
    loop_run(loop);
    assert_failed(f, ERR_LIMIT, "unpacking took longer than 0 ms (--init-timeout)");
}

static void a_child_ended_by_a_signal_is_the_systems_fault(void **state)
{
    struct fixture *f = *state;

    give_long_work(f);
    start(f, A_MINUTE_MS);
    assert_int_equal(kill(f->stage.helper.child.pid, SIGKILL), 0);
    loop_run(loop);
    assert_int_equal(f->n_done, 1);
    assert_failed(f, ERR_SYSTEM, "unpacking was ended by signal 9 (Killed)");
}

static void without_descriptors_the_start_fails_and_leaks_nothing(void **state)
{
    struct fixture *f = *state;
    struct rlimit old;
    struct rlimit none;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 1;
    give_file(f, "exec", "x");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(stage_start(&f->stage, loop, loop_now_ms(loop) + A_MINUTE_MS, &f->err), -1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(f->err.kind, ERR_SYSTEM);
    assert_int_equal(f->err.os, EMFILE);
    run(f, A_MINUTE_MS);
    assert_false(f->stage.failed);
}

static void what_was_unpacked_before_a_failure_is_removed_before_it_is_told(void **state)
{
    struct fixture *f = *state;

    pack_init(&f->pack, PACK_ZIP);
    pack_file(&f->pack, "a/b/c", "12345");
    pack_file(&f->pack, "d", "12345");
    give_archive(f);
    f->stage.limits.bytes_max = 9;
    run(f, A_MINUTE_MS);
    assert_failed(f, ERR_LIMIT, "archive unpacks to more than 9 bytes");
    assert_int_equal(folder_count(f->folder.in), 0);
}

static void what_was_unpacked_before_a_failure_stays_where_that_is_wanted(void **state)
{
    struct fixture *f = *state;

    pack_init(&f->pack, PACK_ZIP);
    pack_file(&f->pack, "a", "12345");
    pack_file(&f->pack, "b", "12345");
    give_archive(f);
    f->stage.limits.bytes_max = 9;
    f->stage.keeps_failed = true;
    run(f, A_MINUTE_MS);
    assert_true(f->stage.failed);
    assert_string_equal(folder_read(f->folder.in, "a"), "12345");
}

static void a_file_that_does_not_fit_is_removed(void **state)
{
    struct fixture *f = *state;
    struct rlimit old;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    give_file(f, "exec", "12345");
    f->stage.direct_max_bytes = 5;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){4, old.rlim_max}), 0);
    run(f, A_MINUTE_MS);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, SIG_DFL);
    assert_failed(f, ERR_SYSTEM, "cannot write 5 bytes to file \"exec\"");
    assert_int_equal(folder_count(f->folder.in), 0);
}

/* ---- reports ---- */

/* Put a child of the test's own in the place of the real one: it says `text` and ends with 1. */
static void run_reporter(struct fixture *f, const char *text, size_t n)
{
    int fds[2];
    pid_t pid;

    give_file(f, "exec", "x");
    start(f, A_MINUTE_MS);
    assert_int_equal(waitpid(f->stage.helper.child.pid, NULL, 0), f->stage.helper.child.pid);
    loop_child_forget(&f->stage.helper.child);
    loop_watch_close(&f->stage.helper.pipe);
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0)
        _exit(1);
    assert_int_equal(fd_write_all(fds[1], text, n), 0);
    (void)close(fds[1]);
    loop_watch_open(loop, &f->stage.helper.pipe, fds[0]);
    loop_child_watch(loop, &f->stage.helper.child, pid, f->stage.helper.child.fn);
    loop_run(loop);
    assert_int_equal(f->n_done, 1);
}

static void a_report_is_taken_over(void **state)
{
    struct fixture *f = *state;

    run_reporter(f, "K4 why", 6);
    assert_failed(f, ERR_CODE, "why");
    assert_string_equal(f->stage.err.text, "why");
}

static void a_child_that_fails_without_a_word_is_the_systems_fault(void **state)
{
    struct fixture *f = *state;

    run_reporter(f, "", 0);
    assert_failed(f, ERR_SYSTEM, "unpacking ended with status 1, saying nothing");
}

static void reports_of_another_form_are_not_believed(void **state)
{
    static const char *const texts[] = {"K4", "K4 ", "K0 why", "K7 why", "K44 why", "why"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(tear_down(state), 0);
        assert_int_equal(set_up(state), 0);
        run_reporter(*state, texts[i], strlen(texts[i]));
        assert_failed(*state, ERR_SYSTEM, "saying nothing");
    }
}

static void a_report_without_end_is_cut(void **state)
{
    struct fixture *f = *state;
    auto_free char *text = xcalloc(1, 60000);

    memset(text, 'x', 60000);
    memcpy(text, "K4 ", 3);
    run_reporter(f, text, 60000);
    assert_failed(f, ERR_CODE, "xxx");
    assert_int_equal(strlen(f->stage.err.text), sizeof(f->stage.err.text) - 1);
}

/* ---- nothing is kept ---- */

static void a_cancelled_child_is_killed_and_done_is_not_called(void **state)
{
    struct fixture *f = *state;
    pid_t pid;
    int status;

    give_long_work(f);
    start(f, A_MINUTE_MS);
    pid = f->stage.helper.child.pid;
    stage_cancel(&f->stage);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_int_equal(f->n_done, 0);
    assert_false(loop_timer_is_set(&f->stage.helper.late));
}

static void cancelling_what_was_never_started_is_harmless(void **state)
{
    struct fixture *f = *state;

    stage_cancel(&f->stage);
    stage_cancel(&f->stage);
    assert_int_equal(f->n_done, 0);
}

static void descriptors_of_the_proxy_do_not_stay_open_in_the_child(void **state)
{
    struct fixture *f = *state;
    char byte;
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    give_long_work(f);
    start(f, A_MINUTE_MS);
    (void)close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 0); /* returns once the child has closed its copy */
    (void)close(fds[0]);
    assert_int_equal(waitpid(f->stage.helper.child.pid, NULL, WNOHANG),
                     0); /* and is still at work */
    stage_cancel(&f->stage);
    assert_int_equal(waitpid(-1, NULL, 0), f->stage.helper.child.pid);
}

static void a_tree_is_removed_by_a_child(void **state)
{
    struct fixture *f = *state;
    int status;

    folder_write(f->folder.in, "a", "x", 0644);
    store_remove_in_child(f->folder.in);
    assert_true(waitpid(-1, &status, 0) > 0);
    assert_int_equal(status, 0);
    assert_int_equal(folder_count(f->folder.outer), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_archive_is_unpacked),
        TEST(a_single_file_is_written),
        TEST(a_single_file_may_be_larger_than_an_archive_may_hold),
        TEST(the_proxys_umask_does_not_reach_the_files),
        TEST(the_working_folder_of_the_proxy_stays),
        TEST(what_is_no_archive_is_reported_as_bad_code),
        TEST(a_bound_of_the_archive_is_reported_as_a_limit),
        TEST(a_missing_folder_is_reported_as_the_systems_fault),
        TEST(a_text_as_long_as_an_err_holds_is_reported),
        TEST(unpacking_past_the_deadline_is_ended),
        TEST(a_deadline_that_has_passed_ends_it_at_once),
        TEST(a_child_ended_by_a_signal_is_the_systems_fault),
        TEST(without_descriptors_the_start_fails_and_leaks_nothing),
        TEST(what_was_unpacked_before_a_failure_is_removed_before_it_is_told),
        TEST(what_was_unpacked_before_a_failure_stays_where_that_is_wanted),
        TEST(a_file_that_does_not_fit_is_removed),
        TEST(a_report_is_taken_over),
        TEST(a_child_that_fails_without_a_word_is_the_systems_fault),
        TEST(reports_of_another_form_are_not_believed),
        TEST(a_report_without_end_is_cut),
        TEST(a_cancelled_child_is_killed_and_done_is_not_called),
        TEST(cancelling_what_was_never_started_is_harmless),
        TEST(descriptors_of_the_proxy_do_not_stay_open_in_the_child),
        TEST(a_tree_is_removed_by_a_child),
    };
    struct err err;
    int failed;

    loop = loop_new(&err);
    assert_non_null(loop);
    pack_long_work();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    pack_done(&long_work);
    loop_free(&loop);
    return failed;
}

/* privileges: whom --user means, and what a child may do; the parts with another user need root. */

#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/err.h"
#include "base/privileges.h"
#include "folder.h"
#include "spawn_fixture.h"
#include "worker/stdin_probe.h"

#define SOMEBODY 47110815 /* nobody else's number */

struct fixture {
    struct folder folder;
    char *program; /* owned; tests/unit/child.c as it was built */
    struct privileges privileges;
    struct exec_spec spec;
    struct spawned child;
    struct err err;
    char text[4096];
};

/* A copy of the child where every user may execute it; the build may lie in /root. */
static void open_child(struct fixture *f)
{
    auto_free char *path = xasprintf("%s/child", f->folder.in);
    auto_fd int from = open(f->program, O_RDONLY | O_CLOEXEC);
    auto_fd int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);

    (void)chmod(f->folder.outer, 0711);
    while (sendfile(to, from, NULL, 1 << 20) > 0)
        continue;
    (void)setenv("WHISKLOOP_TEST_CHILD", path, 1);
}

static int set_up(void **state)
{
    struct fixture *f = folder_set_up(state, sizeof(*f));

    f->program = xstrdup(getenv("WHISKLOOP_TEST_CHILD"));
    open_child(f);
    f->child = SPAWNED_NONE;
    folder_write(f->folder.in, "passwd",
                 "root:x:0:0:root:/root:/bin/sh\n"
                 "# nobody reads this\n"
                 "ann:x:1001:2002::/home/ann:/bin/sh\n",
                 0644);
    folder_write(f->folder.in, "group", "root:x:0:\nstaff:x:50:ann\n", 0644);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    child_end(&f->child);
    exec_spec_done(&f->spec);
    privileges_done(&f->privileges);
    (void)setenv("WHISKLOOP_TEST_CHILD", f->program, 1);
    free(f->program);
    return folder_tear_down(state);
}

static void need_root(void)
{
    if (geteuid() != 0) {
        print_message("skipped: only root may become somebody else\n");
        skip();
    }
}

static void need_user(struct fixture *f, const char *text)
{
    need_root();
    assert_int_equal(privileges_set_user(&f->privileges, text, f->folder.in, &f->err), 0);
}

/* ---- whom it means ---- */

static void a_user_is_a_number_or_a_name(void **state)
{
    static const struct {
        const char *text;
        unsigned uid;
        unsigned gid;
        const char *home;
    } cases[] = {
        {"1000", 1000, 1000, NULL}, /* not listed: the group of the same number, not root's */
        {"1000:7", 1000, 7, NULL},
        {"1000:staff", 1000, 50, NULL},
        {"1001", 1001, 2002, "/home/ann"},
        {"ann", 1001, 2002, "/home/ann"},
        {"ann:7", 1001, 7, "/home/ann"},
        {"ann:staff", 1001, 50, "/home/ann"},
        {"4294967294", 4294967294, 4294967294, NULL},
    };
    struct fixture *f = *state;

    need_root();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("%s\n", cases[i].text);
        need_user(f, cases[i].text);
        assert_true(f->privileges.as_user);
        assert_true(f->privileges.no_new_privs);
        assert_int_equal(f->privileges.uid, cases[i].uid);
        assert_int_equal(f->privileges.gid, cases[i].gid);
        if (cases[i].home == NULL)
            assert_null(f->privileges.home);
        else
            assert_string_equal(f->privileges.home, cases[i].home);
        privileges_done(&f->privileges);
    }
}

static void a_user_that_cannot_be_is_refused(void **state)
{
    static const struct {
        const char *text;
        const char *part; /* of the message */
    } cases[] = {
        {"", "want USER or USER:GROUP"},     {":", "want USER or USER:GROUP"},
        {":5", "want USER or USER:GROUP"},   {"5:", "want USER or USER:GROUP"},
        {"bob", "has no user \"bob\""},      {"-1", "has no user \"-1\""},
        {"4294967295", "has no user"},       {"99999999999", "has no user"},
        {"1000:bobs", "no group \"bobs\""},  {"1000:5:6", "no group \"5:6\""},
        {"1000:4294967295", "has no group"}, {" 5", "has no user \" 5\""},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_free char *start = xasprintf("--user=%s: ", cases[i].text);

        assert_int_equal(privileges_set_user(&f->privileges, cases[i].text, f->folder.in, &f->err),
                         -1);
        assert_int_equal(f->err.kind, ERR_REQUEST);
        assert_memory_equal(f->err.text, start, strlen(start));
        if (strstr(f->err.text, cases[i].part) == NULL)
            fail_msg("\"%s\" lacks \"%s\"", f->err.text, cases[i].part);
        privileges_done(&f->privileges);
    }
}

static void without_lists_a_number_is_enough(void **state)
{
    struct fixture *f = *state;

    need_root();
    assert_int_equal(privileges_set_user(&f->privileges, "1000", "/nowhere", &f->err), 0);
    assert_int_equal(privileges_set_user(&f->privileges, "ann", "/nowhere", &f->err), -1);
    assert_non_null(strstr(f->err.text, "/nowhere/passwd has no user \"ann\""));
}

static void our_own_user_is_no_change_but_gains_nothing(void **state)
{
    struct fixture *f = *state;
    auto_free char *us = xasprintf("%u:%u", geteuid(), getegid());

    assert_int_equal(privileges_set_user(&f->privileges, us, f->folder.in, &f->err), 0);
    assert_false(f->privileges.as_user);
    assert_true(f->privileges.no_new_privs);
}

/* Take rights from us as a container does; what is permitted can be taken back. */
static void set_capability(unsigned number, bool on)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3];

    assert_int_equal(syscall(SYS_capget, &header, have), 0);
    if (on)
        have[0].effective |= 1u << number;
    else
        have[0].effective &= ~(1u << number);
    assert_int_equal(syscall(SYS_capset, &header, have), 0);
}

static void rights_that_root_lacks_are_named(void **state)
{
    struct fixture *f = *state;
    int result;

    need_root();
    set_capability(CAP_SETUID, false);
    set_capability(CAP_KILL, false);
    result = privileges_set_user(&f->privileges, "1000", f->folder.in, &f->err);
    set_capability(CAP_SETUID, true);
    set_capability(CAP_KILL, true);
    assert_int_equal(result, -1);
    assert_int_equal(f->err.kind, ERR_REQUEST);
    assert_non_null(strstr(f->err.text, "which that takes: SETUID KILL;"));
}

static void somebody_who_is_not_root_is_told_so(void **state)
{
    struct fixture *f = *state;
    int result;

    need_root();
    assert_int_equal(seteuid(1234), 0);
    result = privileges_set_user(&f->privileges, "1000", f->folder.in, &f->err);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(result, -1);
    assert_int_equal(f->err.kind, ERR_REQUEST);
    assert_string_equal(f->err.text,
                        "--user=1000: only a proxy that runs as root can run actions as another "
                        "user; this one runs as user 1234");
}

/* ---- what a child is then ---- */

static const char *heard(struct fixture *f, int fd)
{
    return heard_on(fd, f->text, sizeof(f->text));
}

static const char *told(struct fixture *f, const char *what)
{
    auto_free char *step = xasprintf("tell1:%s", what);

    f->spec = launch_child(ANSWERS_FD3, false, step, NULL);
    f->spec.privileges = &f->privileges;
    if (spawn_start(&f->spec, 0, &f->child, &f->err) < 0)
        fail_msg("%s", f->err.text);
    return heard(f, f->child.fd1);
}

static void the_child_is_the_user_and_nobody_else(void **state)
{
    struct fixture *f = *state;

    need_user(f, "47110815:4711");
    assert_string_equal(told(f, "ids"),
                        "user 47110815 47110815 group 4711 4711 others 0 gains nothing\n");
}

static void we_stay_who_we_are(void **state)
{
    struct fixture *f = *state;

    need_user(f, "47110815");
    (void)told(f, "ids");
    assert_int_equal(geteuid(), 0);
    assert_int_equal(getegid(), 0);
}

static void without_a_user_the_child_may_gain_what_it_can(void **state)
{
    struct fixture *f = *state;

    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        skip(); /* nor may we */
    assert_non_null(strstr(told(f, "ids"), "gains what it can"));
}

static void a_child_of_our_own_user_can_be_kept_from_gaining(void **state)
{
    struct fixture *f = *state;

    f->privileges.no_new_privs = true;
    assert_non_null(strstr(told(f, "ids"), "gains nothing"));
}

static void the_user_opens_its_pipes_by_path(void **state)
{
    struct fixture *f = *state;

    need_user(f, "47110815");
    assert_string_equal(told(f, "paths"), "opens opens opens opens \n");
}

static void the_child_dies_with_us_whoever_it_is(void **state)
{
    struct fixture *f = *state;
    int ends[2];

    need_user(f, "47110815");
    f->spec = launch_child(ANSWERS_FD3, false, "deaf", NULL);
    f->spec.privileges = &f->privileges;
    assert_int_equal(pipe2(ends, 0), 0); /* goes to nobody but the parent: exec closes the rest */
    if (fork() == 0) {
        int result = spawn_start(&f->spec, 0, &f->child, &f->err);

        (void)!write(ends[1], &f->child, sizeof(f->child));
        (void)fcntl(f->child.fd1, F_SETFD, 0);
        _exit(result);
    }
    (void)wait(NULL);
    {
        struct spawned child;
        char path[64];

        assert_int_equal(read(ends[0], &child, sizeof(child)), sizeof(child));
        (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)child.pid);
        for (int i = 0; readlink(path, f->text, sizeof(f->text)) > 0; i++) {
            assert_true(i < 1000000);
            (void)sched_yield();
        }
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void each_limit_is_the_childs(void **state)
{
    struct fixture *f = *state;

    f->privileges.limits[LIMIT_AS] = UINT64_C(1) << 46; /* more than a sanitizer takes */
    f->privileges.limits[LIMIT_NPROC] = 77;
    f->privileges.limits[LIMIT_NOFILE] = 32;
    f->privileges.limits[LIMIT_FSIZE] = 4096;
    f->privileges.limits[LIMIT_CPU] = 55;
    assert_string_equal(told(f, "limits"), "70368744177664 77 32 4096 55 \n");
}

static void limits_of_zero_are_ours(void **state)
{
    struct fixture *f = *state;
    struct rlimit ours;
    char start[64];

    assert_int_equal(getrlimit(RLIMIT_AS, &ours), 0);
    (void)snprintf(start, sizeof(start), "%llu ", (unsigned long long)ours.rlim_cur);
    assert_memory_equal(told(f, "limits"), start, strlen(start));
}

static void a_limit_that_cannot_be_set_is_told(void **state)
{
    struct fixture *f = *state;
    struct rlimit before;

    need_root(); /* to set it back */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    f->spec = launch_child(ANSWERS_FD3, false, NULL);
    f->spec.privileges = &f->privileges;
    f->privileges.limits[LIMIT_NOFILE] = before.rlim_max + 1;
    set_capability(CAP_SYS_RESOURCE, false);
    assert_int_equal(spawn_start(&f->spec, 0, &f->child, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_SYSTEM);
    assert_int_equal(f->err.os, EPERM);
    {
        auto_free char *wanted =
            xasprintf("cannot set --rlimit-nofile=%llu: Operation not permitted; our own limit is "
                      "%llu",
                      (unsigned long long)before.rlim_max + 1, (unsigned long long)before.rlim_max);

        assert_string_equal(f->err.text, wanted);
    }
}

static void a_user_that_cannot_be_taken_on_is_told(void **state)
{
    struct fixture *f = *state;

    need_user(f, "47110815");
    f->spec = launch_child(ANSWERS_FD3, false, NULL);
    f->spec.privileges = &f->privileges;
    set_capability(CAP_SETUID, false);
    assert_int_equal(spawn_start(&f->spec, 0, &f->child, &f->err), -1);
    set_capability(CAP_SETUID, true);
    assert_int_equal(f->err.kind, ERR_SYSTEM);
    assert_string_equal(f->err.text,
                        "cannot run the action as user 47110815, group 47110815 (--user): changing "
                        "the user: Operation not permitted");
}

static void a_folder_that_the_user_cannot_enter_is_told(void **state)
{
    struct fixture *f = *state;

    need_user(f, "47110815");
    f->spec = launch_child(ANSWERS_FD3, false, NULL);
    f->spec.privileges = &f->privileges;
    free(f->spec.cwd);
    f->spec.cwd = xstrdup(f->folder.in);
    assert_int_equal(chmod(f->folder.outer, 0700), 0);
    assert_int_equal(spawn_start(&f->spec, 0, &f->child, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_SYSTEM);
    assert_non_null(strstr(f->err.text, "user 47110815 (--user) cannot enter folder"));
}

/* ---- files ---- */

static void what_is_made_in_between_is_the_users(void **state)
{
    struct fixture *f = *state;
    auto_free char *dir = xasprintf("%s/own", f->folder.in);
    struct stat info;

    need_user(f, "47110815:4711");
    assert_int_equal(chmod(f->folder.outer, 0755), 0);
    assert_int_equal(mkdir(dir, 0755), 0);
    assert_int_equal(privileges_give(&f->privileges, dir), 0);
    privileges_borrow(&f->privileges);
    folder_write(dir, "theirs", "x", 0600);
    privileges_return(&f->privileges);
    folder_write(dir, "ours", "x", 0600);
    {
        auto_free char *theirs = xasprintf("%s/theirs", dir);
        auto_free char *ours = xasprintf("%s/ours", dir);

        assert_int_equal(stat(theirs, &info), 0);
        assert_int_equal(info.st_uid, SOMEBODY);
        assert_int_equal(info.st_gid, 4711);
        assert_int_equal(stat(ours, &info), 0);
        assert_int_equal(info.st_uid, 0);
        assert_int_equal(info.st_gid, 0);
    }
}

/* Docker leaves root no right to look into the processes of others. */
static void a_worker_of_another_user_is_seen_waiting_without_the_right_to_trace(void **state)
{
    struct fixture *f = *state;
    struct stdin_probe stdin_probe = {.fd = -1};
    enum stdin_probe_state alone;
    enum stdin_probe_state seen = STDIN_PROBE_NO;

    need_user(f, "47110815");
    f->spec = launch_child(ANSWERS_FD3, false, "line3:here", "serve", NULL);
    f->spec.privileges = &f->privileges;
    assert_int_equal(spawn_start(&f->spec, 0, &f->child, &f->err), 0);
    assert_int_equal(read(f->child.fd3, f->text, 5), 5);
    set_capability(CAP_SYS_PTRACE, false);
    set_capability(CAP_DAC_OVERRIDE, false);
    set_capability(CAP_DAC_READ_SEARCH, false);
    stdin_probe_open(&stdin_probe, f->child.pid, -1, NULL);
    alone = stdin_probe_look(&stdin_probe);
    stdin_probe_close(&stdin_probe);
    stdin_probe_open(&stdin_probe, f->child.pid, -1, &f->privileges);
    for (int i = 0; i < 1000000 && seen != STDIN_PROBE_YES; i++) {
        seen = stdin_probe_look(&stdin_probe);
        (void)sched_yield();
    }
    stdin_probe_close(&stdin_probe);
    set_capability(CAP_SYS_PTRACE, true);
    set_capability(CAP_DAC_OVERRIDE, true);
    set_capability(CAP_DAC_READ_SEARCH, true);
    assert_int_equal(alone, STDIN_PROBE_UNKNOWN);
    assert_int_equal(seen, STDIN_PROBE_YES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_user_is_a_number_or_a_name),
        TEST(a_user_that_cannot_be_is_refused),
        TEST(without_lists_a_number_is_enough),
        TEST(our_own_user_is_no_change_but_gains_nothing),
        TEST(rights_that_root_lacks_are_named),
        TEST(somebody_who_is_not_root_is_told_so),
        TEST(the_child_is_the_user_and_nobody_else),
        TEST(we_stay_who_we_are),
        TEST(without_a_user_the_child_may_gain_what_it_can),
        TEST(a_child_of_our_own_user_can_be_kept_from_gaining),
        TEST(the_user_opens_its_pipes_by_path),
        TEST(the_child_dies_with_us_whoever_it_is),
        TEST(each_limit_is_the_childs),
        TEST(limits_of_zero_are_ours),
        TEST(a_limit_that_cannot_be_set_is_told),
        TEST(a_user_that_cannot_be_taken_on_is_told),
        TEST(a_folder_that_the_user_cannot_enter_is_told),
        TEST(what_is_made_in_between_is_the_users),
        TEST(a_worker_of_another_user_is_seen_waiting_without_the_right_to_trace),
    };

    return cmocka_run_group_tests_name("privileges", tests, NULL, NULL);
}

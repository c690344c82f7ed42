/* death and oom: what a wait status means, and how kills are told from kills for want of memory. */

#include "test.h"

#include <signal.h>
#include <string.h>

#include "base/err.h"
#include "base/oom.h"
#include "cgroup_fixture.h"
#include "worker/death.h"

#define EXITED(code)  ((code) << 8)
#define KILLED(signo) (signo)

struct fixture {
    struct folder folder;
    struct oom oom;
};

static int set_up(void **state)
{
    (void)folder_set_up(state, sizeof(struct fixture));
    return 0;
}

static void set_kills(struct fixture *f, unsigned n)
{
    auto_free char *text = xasprintf("low 0\nhigh 0\nmax 9\noom 9\noom_kill %u\n", n);

    tree_write(f->folder.in, "sys/fs/cgroup/memory.events", text);
}

/* A container of version 2 in which n were killed before we began. */
static void open_with(struct fixture *f, unsigned n)
{
    tree_write(f->folder.in, "proc/self/cgroup", "0::/\n");
    tree_write(f->folder.in, "proc/self/mountinfo", MOUNT_V2("/"));
    set_kills(f, n);
    oom_open(&f->oom, f->folder.in);
}

static enum death killed_at(struct fixture *f, uint64_t now_ms)
{
    return death_of(KILLED(SIGKILL), DEATH_NONE, false, &f->oom, now_ms);
}

/* ---- without memory ---- */

static void a_wait_status_has_one_cause(void **state)
{
    static const struct {
        int wait_status;
        enum death death;
    } cases[] = {
        {EXITED(0), DEATH_EXITED},          {EXITED(3), DEATH_EXITED},
        {EXITED(137), DEATH_EXITED},        {KILLED(SIGSEGV), DEATH_SIGNALLED},
        {KILLED(SIGKILL), DEATH_SIGNALLED}, {KILLED(SIGXCPU), DEATH_CPU},
        {KILLED(SIGXFSZ), DEATH_FILE_SIZE},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(death_of(cases[i].wait_status, DEATH_NONE, false, NULL, 5),
                         cases[i].death);
}

static void one_that_was_told_to_end_died_of_that(void **state)
{
    static const enum death told[] = {DEATH_DEADLINE, DEATH_START_TIMEOUT, DEATH_REFUSED,
                                      DEATH_STOPPED};
    static const int statuses[] = {KILLED(SIGTERM), KILLED(SIGKILL), KILLED(SIGXCPU), EXITED(0)};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(told); i++)
        for (size_t k = 0; k < ARRAY_LEN(statuses); k++)
            assert_int_equal(death_of(statuses[k], told[i], true, NULL, 5), told[i]);
}

/* Its pipes close before its status is here, which looks like hanging. */
static void it_hung_only_if_our_signal_ended_it(void **state)
{
    static const struct {
        int wait_status;
        bool killed;
        enum death death;
    } cases[] = {
        {EXITED(3), false, DEATH_EXITED},
        {KILLED(SIGKILL), false, DEATH_SIGNALLED},
        {KILLED(SIGTERM), false, DEATH_HUNG},
        {KILLED(SIGKILL), true, DEATH_HUNG},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(death_of(cases[i].wait_status, DEATH_HUNG, cases[i].killed, NULL, 5),
                         cases[i].death);
}

static void every_death_has_a_word_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < N_DEATHS; i++) {
        assert_non_null(death_name((enum death)i));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(death_name((enum death)i), death_name((enum death)j));
    }
}

static void limits_have_a_text_and_the_rest_has_none(void **state)
{
    (void)state;
    assert_null(death_text(DEATH_EXITED));
    assert_null(death_text(DEATH_SIGNALLED));
    assert_null(death_text(DEATH_STOPPED));
    assert_string_equal(death_text(DEATH_MEMORY),
                        "The action exhausted its memory and was aborted.");
    assert_non_null(strstr(death_text(DEATH_CPU), "--rlimit-cpu"));
    assert_non_null(strstr(death_text(DEATH_FILE_SIZE), "--rlimit-fsize"));
}

static void a_failed_start_says_its_limit_or_what_the_suites_read(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(death_explain(DEATH_MEMORY, true, &err), -1);
    assert_int_equal(err.kind, ERR_EXHAUSTED);
    assert_string_equal(err.text, "The action exhausted its memory and was aborted.");
    assert_int_equal(death_explain(DEATH_EXITED, false, &err), -1);
    assert_int_equal(err.kind, ERR_ACTION);
    assert_string_equal(err.text, "command exited");
    assert_int_equal(death_explain(DEATH_SIGNALLED, true, &err), -1);
    assert_string_equal(err.text, "Command exited abruptly during initialization.");
}

/* ---- memory ---- */

static void a_kill_that_the_group_counted_is_for_memory(void **state)
{
    struct fixture *f = *state;

    open_with(f, 4);
    set_kills(f, 5);
    assert_int_equal(killed_at(f, 1000), DEATH_MEMORY);
}

static void a_kill_that_it_did_not_count_is_somebodys(void **state)
{
    struct fixture *f = *state;

    open_with(f, 4);
    assert_int_equal(killed_at(f, 1000), DEATH_SIGNALLED);
}

static void a_kill_explains_one_death(void **state)
{
    struct fixture *f = *state;

    open_with(f, 0);
    set_kills(f, 1);
    assert_int_equal(killed_at(f, 1000), DEATH_MEMORY);
    assert_int_equal(killed_at(f, 1001), DEATH_SIGNALLED);
}

static void two_killed_at_once_are_two_deaths(void **state)
{
    struct fixture *f = *state;

    open_with(f, 0);
    set_kills(f, 2);
    assert_int_equal(killed_at(f, 1000), DEATH_MEMORY);
    assert_int_equal(killed_at(f, 1001), DEATH_MEMORY);
    assert_int_equal(killed_at(f, 1002), DEATH_SIGNALLED);
}

static void a_kill_of_somebody_else_explains_nothing_for_long(void **state)
{
    struct fixture *f = *state;

    open_with(f, 0);
    set_kills(f, 3); /* ours, and two that it had started */
    assert_int_equal(killed_at(f, 1000), DEATH_MEMORY);
    assert_int_equal(killed_at(f, 1000 + OOM_CLAIM_MS + 1), DEATH_SIGNALLED);
    assert_int_equal(killed_at(f, 1000 + OOM_CLAIM_MS + 1), DEATH_SIGNALLED);
}

static void a_shell_whose_last_command_was_killed_is_out_of_memory_too(void **state)
{
    struct fixture *f = *state;

    open_with(f, 0);
    set_kills(f, 1);
    assert_int_equal(death_of(EXITED(137), DEATH_NONE, false, &f->oom, 1000), DEATH_MEMORY);
    assert_int_equal(death_of(EXITED(137), DEATH_NONE, false, &f->oom, 1000), DEATH_EXITED);
}

static void other_ends_are_not_asked_about(void **state)
{
    struct fixture *f = *state;

    open_with(f, 0);
    set_kills(f, 1);
    assert_int_equal(death_of(KILLED(SIGSEGV), DEATH_NONE, false, &f->oom, 1000), DEATH_SIGNALLED);
    assert_int_equal(death_of(KILLED(SIGKILL), DEATH_STOPPED, true, &f->oom, 1000), DEATH_STOPPED);
    assert_int_equal(killed_at(f, 1000), DEATH_MEMORY);
}

static void version_1_counts_in_another_file(void **state)
{
    struct fixture *f = *state;

    tree_write(f->folder.in, "proc/self/cgroup", "4:memory:/m\n");
    tree_write(f->folder.in, "proc/self/mountinfo", MOUNT_V1("/", "memory"));
    tree_write(f->folder.in, "sys/fs/cgroup/memory/m/memory.oom_control",
               "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
    oom_open(&f->oom, f->folder.in);
    assert_int_equal(killed_at(f, 1000), DEATH_SIGNALLED);
    tree_write(f->folder.in, "sys/fs/cgroup/memory/m/memory.oom_control",
               "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
    assert_int_equal(killed_at(f, 1000), DEATH_MEMORY);
}

static void where_nothing_is_counted_nothing_is_claimed(void **state)
{
    struct fixture *f = *state;

    oom_open(&f->oom, f->folder.in);
    assert_int_equal(killed_at(f, 1000), DEATH_SIGNALLED);
    assert_int_equal(killed_at(f, 2000), DEATH_SIGNALLED);
}

static void a_count_that_comes_late_starts_from_there(void **state)
{
    struct fixture *f = *state;

    open_with(f, 0);
    tree_write(f->folder.in, "sys/fs/cgroup/memory.events", "garbage\n");
    oom_open(&f->oom, f->folder.in);
    set_kills(f, 7);
    assert_int_equal(killed_at(f, 1000), DEATH_SIGNALLED);
    set_kills(f, 8);
    assert_int_equal(killed_at(f, 1000), DEATH_MEMORY);
}

static void a_count_that_goes_away_or_down_claims_nothing(void **state)
{
    struct fixture *f = *state;

    open_with(f, 5);
    tree_write(f->folder.in, "sys/fs/cgroup/memory.events", "");
    assert_int_equal(killed_at(f, 1000), DEATH_SIGNALLED);
    set_kills(f, 2);
    assert_int_equal(killed_at(f, 1000), DEATH_SIGNALLED);
    set_kills(f, 3);
    assert_int_equal(killed_at(f, 1000), DEATH_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, folder_tear_down)
        TEST(a_wait_status_has_one_cause),
        TEST(one_that_was_told_to_end_died_of_that),
        TEST(it_hung_only_if_our_signal_ended_it),
        TEST(every_death_has_a_word_of_its_own),
        TEST(limits_have_a_text_and_the_rest_has_none),
        TEST(a_failed_start_says_its_limit_or_what_the_suites_read),
        TEST(a_kill_that_the_group_counted_is_for_memory),
        TEST(a_kill_that_it_did_not_count_is_somebodys),
        TEST(a_kill_explains_one_death),
        TEST(two_killed_at_once_are_two_deaths),
        TEST(a_kill_of_somebody_else_explains_nothing_for_long),
        TEST(a_shell_whose_last_command_was_killed_is_out_of_memory_too),
        TEST(other_ends_are_not_asked_about),
        TEST(version_1_counts_in_another_file),
        TEST(where_nothing_is_counted_nothing_is_claimed),
        TEST(a_count_that_comes_late_starts_from_there),
        TEST(a_count_that_goes_away_or_down_claims_nothing),
    };

    return cmocka_run_group_tests_name("death", tests, NULL, NULL);
}

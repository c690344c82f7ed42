#include "test.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "launch_fixture.h"
#include "loop_fixture.h"
#include "worker/spawn.h"
#include "worker/waits.h"

struct fixture {
    struct loop *loop;
    struct launch launch;
    struct spawned child;
    struct waits waits;
    enum waits_state wanted;
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    f->loop = loop_for_test();
    f->waits.fd = -1;
    f->child = SPAWNED_NONE;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    waits_close(&f->waits);
    if (f->child.pid > 0)
        spawn_kill(f->child.pid, SIGKILL);
    spawned_close(&f->child);
    launch_done(&f->launch);
    loop_free(&f->loop);
    free(f);
    return 0;
}

static void start(struct fixture *f, const char *step)
{
    struct err err;

    f->launch = launch_child(ANSWERS_FD3, false, step, NULL);
    assert_int_equal(spawn_start(&f->launch, 0, &f->child, &err), 0);
    waits_open(&f->waits, f->child.pid, NULL);
    if (waits_look(&f->waits) == WAITS_UNKNOWN)
        skip(); /* hidepid, or no permission to trace */
}

static bool looks_as_wanted(void *subject)
{
    struct fixture *f = subject;

    return waits_look(&f->waits) == f->wanted;
}

/* It comes to be seen so, and stays so while it does nothing else. */
static void assert_is_seen(struct fixture *f, const char *step, enum waits_state wanted)
{
    start(f, step);
    f->wanted = wanted;
    loop_until(f->loop, looks_as_wanted, f);
}

static void a_process_that_reads_its_input_waits(void **state)
{
    assert_is_seen(*state, "serve", WAITS_YES);
}

static void a_process_that_polls_waits(void **state)
{
    assert_is_seen(*state, "poll0", WAITS_POLLS);
}

static void a_process_that_was_given_a_line_waits_no_more(void **state)
{
    struct fixture *f = *state;

    assert_is_seen(f, "serve", WAITS_YES);
    assert_int_equal(fd_write_all(f->child.in, "deaf\n", 5), 0);
    f->wanted = WAITS_NO;
    loop_until(f->loop, looks_as_wanted, f);
}

static bool says_it_began(void *subject)
{
    struct fixture *f = subject;
    char byte;

    return read(f->child.fd3, &byte, 1) == 1;
}

/* After it said so on descriptor 3 it does nothing but this, so no look may find it waiting. */
static void assert_never_waits(struct fixture *f, const char *step)
{
    struct err err;

    f->launch = launch_child(ANSWERS_FD3, false, "write3:.", step, NULL);
    assert_int_equal(spawn_start(&f->launch, 0, &f->child, &err), 0);
    waits_open(&f->waits, f->child.pid, NULL);
    assert_true(says_it_began(f));
    for (int i = 0; i < 1000; i++)
        assert_int_not_equal(waits_look(&f->waits), WAITS_YES);
}

static void a_process_that_sleeps_does_not_wait(void **state)
{
    assert_never_waits(*state, "deaf");
}

static void a_process_that_computes_does_not_wait(void **state)
{
    assert_never_waits(*state, "spin");
}

static void a_process_that_computes_is_seen_at_work(void **state)
{
    assert_is_seen(*state, "spin", WAITS_RUNS);
}

static void a_process_that_reads_something_else_does_not_wait(void **state)
{
    assert_never_waits(*state, "readelsewhere");
}

static void a_dead_process_cannot_be_seen_waiting(void **state)
{
    struct fixture *f = *state;

    assert_is_seen(f, "serve", WAITS_YES);
    spawn_kill(f->child.pid, SIGKILL);
    f->wanted = WAITS_UNKNOWN;
    loop_until(f->loop, looks_as_wanted, f);
    f->child.pid = 0;
}

static void a_process_that_is_not_there_is_unknown(void **state)
{
    struct fixture *f = *state;

    waits_open(&f->waits, 999999999, NULL);
    assert_int_equal(waits_look(&f->waits), WAITS_UNKNOWN);
}

static void a_closed_look_out_knows_nothing(void **state)
{
    struct fixture *f = *state;

    start(f, "serve");
    waits_close(&f->waits);
    waits_close(&f->waits);
    assert_int_equal(waits_look(&f->waits), WAITS_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_process_that_reads_its_input_waits),
        TEST(a_process_that_polls_waits),
        TEST(a_process_that_was_given_a_line_waits_no_more),
        TEST(a_process_that_sleeps_does_not_wait),
        TEST(a_process_that_computes_does_not_wait),
        TEST(a_process_that_computes_is_seen_at_work),
        TEST(a_process_that_reads_something_else_does_not_wait),
        TEST(a_dead_process_cannot_be_seen_waiting),
        TEST(a_process_that_is_not_there_is_unknown),
        TEST(a_closed_look_out_knows_nothing),
    };

    return cmocka_run_group_tests_name("waits", tests, NULL, NULL);
}

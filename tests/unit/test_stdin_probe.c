#include "test.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "exec_spec_fixture.h"
#include "loop_fixture.h"
#include "worker/spawn.h"
#include "worker/stdin_probe.h"

struct fixture {
    struct loop *loop;
    struct exec_spec spec;
    struct spawned child;
    struct stdin_probe stdin_probe;
    enum stdin_probe_state wanted;
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    f->loop = loop_for_test();
    f->stdin_probe.fd = -1;
    f->child = SPAWNED_NONE;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    stdin_probe_close(&f->stdin_probe);
    if (f->child.pid > 0)
        spawn_kill(f->child.pid, SIGKILL);
    spawned_close(&f->child);
    exec_spec_done(&f->spec);
    loop_free(&f->loop);
    free(f);
    return 0;
}

static void start(struct fixture *f, const char *step)
{
    struct err err;

    f->spec = launch_child(ANSWERS_FD3, false, step, NULL);
    assert_int_equal(spawn_start(&f->spec, 0, &f->child, &err), 0);
    stdin_probe_open(&f->stdin_probe, f->child.pid, -1, NULL);
    if (stdin_probe_look(&f->stdin_probe) == STDIN_PROBE_UNKNOWN)
        skip(); /* hidepid, or no permission to trace */
}

static bool looks_as_wanted(void *subject)
{
    struct fixture *f = subject;

    return stdin_probe_look(&f->stdin_probe) == f->wanted;
}

/* It comes to be seen so, and stays so while it does nothing else. */
static void assert_is_seen(struct fixture *f, const char *step, enum stdin_probe_state wanted)
{
    start(f, step);
    f->wanted = wanted;
    loop_until(f->loop, looks_as_wanted, f);
}

static void a_process_that_reads_its_input_waits(void **state)
{
    assert_is_seen(*state, "serve", STDIN_PROBE_YES);
}

static void a_process_that_reads_in_a_thread_waits(void **state)
{
    struct fixture *f = *state;

    assert_is_seen(f, "thread", STDIN_PROBE_YES);
    assert_int_equal(stdin_probe_look(&f->stdin_probe), STDIN_PROBE_YES); /* looked at by now */
    fd_close(&f->child.in); /* the thread ends, and the process with it */
    f->wanted = STDIN_PROBE_UNKNOWN;
    loop_until(f->loop, looks_as_wanted, f);
}

static void a_process_that_polls_waits(void **state)
{
    assert_is_seen(*state, "poll0", STDIN_PROBE_POLLS);
}

static void a_process_that_was_given_a_line_waits_no_more(void **state)
{
    struct fixture *f = *state;

    assert_is_seen(f, "serve", STDIN_PROBE_YES);
    assert_int_equal(fd_write_all(f->child.in, "deaf\n", 5), 0);
    f->wanted = STDIN_PROBE_NO;
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

    f->spec = launch_child(ANSWERS_FD3, false, "write3:.", step, NULL);
    assert_int_equal(spawn_start(&f->spec, 0, &f->child, &err), 0);
    stdin_probe_open(&f->stdin_probe, f->child.pid, -1, NULL);
    assert_true(says_it_began(f));
    for (int i = 0; i < 1000; i++)
        assert_int_not_equal(stdin_probe_look(&f->stdin_probe), STDIN_PROBE_YES);
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
    assert_is_seen(*state, "spin", STDIN_PROBE_RUNS);
}

static void a_process_that_reads_something_else_does_not_wait(void **state)
{
    assert_never_waits(*state, "readelsewhere");
}

static void a_dead_process_cannot_be_seen_waiting(void **state)
{
    struct fixture *f = *state;

    assert_is_seen(f, "serve", STDIN_PROBE_YES);
    spawn_kill(f->child.pid, SIGKILL);
    f->wanted = STDIN_PROBE_UNKNOWN;
    loop_until(f->loop, looks_as_wanted, f);
    f->child.pid = 0;
}

static void a_process_that_is_not_there_is_unknown(void **state)
{
    struct fixture *f = *state;

    stdin_probe_open(&f->stdin_probe, 999999999, -1, NULL);
    assert_int_equal(stdin_probe_look(&f->stdin_probe), STDIN_PROBE_UNKNOWN);
}

static void a_closed_look_out_knows_nothing(void **state)
{
    struct fixture *f = *state;

    start(f, "serve");
    stdin_probe_close(&f->stdin_probe);
    stdin_probe_close(&f->stdin_probe);
    assert_int_equal(stdin_probe_look(&f->stdin_probe), STDIN_PROBE_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_process_that_reads_its_input_waits),
        TEST(a_process_that_reads_in_a_thread_waits),
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

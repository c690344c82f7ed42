/* prelaunch: a launcher that waits is handed over whole, or forgotten. */

#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "action/manifest.h"
#include "exec_spec_fixture.h"
#include "http/prewarmed.h"
#include "loop_fixture.h"

struct fixture {
    struct loop *loop;
    struct prewarmed prewarmed;
    pid_t pid; /* of the last launcher that was looked at */
};

static const struct runtime runtime, other;

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    f->loop = loop_for_test();
    prewarmed_init(&f->prewarmed, f->loop);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    prewarmed_done(&f->prewarmed);
    loop_free(&f->loop);
    free(f);
    return 0;
}

static void start(struct fixture *f, struct exec_spec spec)
{
    assert_true(prewarmed_start(&f->prewarmed, &runtime, &spec, 0));
    assert_null(spec.argv); /* taken over */
    f->pid = f->prewarmed.spawned.pid;
}

static void start_waiting(struct fixture *f)
{
    start(f, launch_child(ANSWERS_STDOUT, false, "serve", NULL));
    assert_true(f->pid > 0);
}

static bool none_waits(void *subject)
{
    return ((struct fixture *)subject)->prewarmed.spawned.pid == 0;
}

static bool it_is_gone(void *subject)
{
    return kill(((struct fixture *)subject)->pid, 0) < 0 && errno == ESRCH;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void nothing_is_handed_over_before_a_start(void **state)
{
    struct fixture *f = *state;
    struct spawned spawned;

    assert_false(prewarmed_take(&f->prewarmed, &runtime, &spawned));
}

static void it_is_handed_over_alive_with_its_descriptors(void **state)
{
    struct fixture *f = *state;
    struct spawned spawned;

    start_waiting(f);
    assert_true(prewarmed_take(&f->prewarmed, &runtime, &spawned));
    assert_int_equal(spawned.pid, f->pid);
    assert_int_equal(kill(spawned.pid, 0), 0);
    assert_true(is_open(spawned.in));
    assert_true(is_open(spawned.fd1));
    assert_true(is_open(spawned.fd2));
    assert_true(is_open(spawned.fd3));
    spawn_kill(spawned.pid, SIGKILL);
    loop_until(f->loop, it_is_gone, f);
    spawned_close(&spawned);
}

static void it_is_handed_over_once(void **state)
{
    struct fixture *f = *state;
    struct spawned spawned;
    struct spawned again;

    start_waiting(f);
    assert_true(prewarmed_take(&f->prewarmed, &runtime, &spawned));
    assert_false(prewarmed_take(&f->prewarmed, &runtime, &again));
    spawn_kill(spawned.pid, SIGKILL);
    loop_until(f->loop, it_is_gone, f);
    spawned_close(&spawned);
}

static void it_is_not_handed_over_to_another_runtime(void **state)
{
    struct fixture *f = *state;
    struct spawned spawned;

    start_waiting(f);
    assert_false(prewarmed_take(&f->prewarmed, &other, &spawned));
    assert_int_equal(f->prewarmed.spawned.pid, f->pid);
}

static void a_second_start_keeps_the_one_that_waits(void **state)
{
    struct fixture *f = *state;
    pid_t first;

    start_waiting(f);
    first = f->pid;
    start_waiting(f);
    assert_int_equal(f->pid, first);
}

static void one_that_ends_while_it_waits_is_forgotten(void **state)
{
    struct fixture *f = *state;
    struct spawned spawned;

    start(f, launch_child(ANSWERS_STDOUT, false, "exit:3", NULL));
    loop_until(f->loop, none_waits, f);
    assert_int_equal(f->prewarmed.spawned.in, -1);
    assert_int_equal(f->prewarmed.spawned.fd1, -1);
    assert_false(prewarmed_take(&f->prewarmed, &runtime, &spawned));
}

static void after_one_that_ended_another_can_be_started(void **state)
{
    struct fixture *f = *state;

    start(f, launch_child(ANSWERS_STDOUT, false, "exit:0", NULL));
    loop_until(f->loop, none_waits, f);
    start_waiting(f);
}

static void a_missing_program_is_no_start_and_no_harm(void **state)
{
    struct fixture *f = *state;
    struct exec_spec spec = spec_of("/nowhere/launcher");
    struct spawned spawned;

    assert_false(prewarmed_start(&f->prewarmed, &runtime, &spec, 0));
    assert_null(spec.argv);
    assert_false(prewarmed_take(&f->prewarmed, &runtime, &spawned));
    start_waiting(f);
}

static void done_kills_what_waits(void **state)
{
    struct fixture *f = *state;

    start_waiting(f);
    prewarmed_done(&f->prewarmed);
    loop_until(f->loop, it_is_gone, f);
    prewarmed_done(&f->prewarmed); /* a second time is harmless */
}

#define FACT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(nothing_is_handed_over_before_a_start),
        FACT(it_is_handed_over_alive_with_its_descriptors),
        FACT(it_is_handed_over_once),
        FACT(it_is_not_handed_over_to_another_runtime),
        FACT(a_second_start_keeps_the_one_that_waits),
        FACT(one_that_ends_while_it_waits_is_forgotten),
        FACT(after_one_that_ended_another_can_be_started),
        FACT(a_missing_program_is_no_start_and_no_harm),
        FACT(done_kills_what_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

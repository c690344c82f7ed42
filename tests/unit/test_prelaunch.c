/* prelaunch: a launcher that waits is handed over whole, or forgotten. */

#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "launch_fixture.h"
#include "loop_fixture.h"
#include "worker/prelaunch.h"

struct fixture {
    struct loop *loop;
    struct prelaunch prelaunch;
    pid_t pid; /* of the last launcher that was looked at */
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    f->loop = loop_for_test();
    prelaunch_init(&f->prelaunch, f->loop);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    prelaunch_done(&f->prelaunch);
    loop_free(&f->loop);
    free(f);
    return 0;
}

static void start(struct fixture *f, struct launch launch)
{
    assert_true(prelaunch_start(&f->prelaunch, &launch, 0));
    assert_null(launch.argv); /* taken over */
    f->pid = f->prelaunch.spawned.pid;
}

static void start_waiting(struct fixture *f)
{
    start(f, launch_child(ANSWERS_STDOUT, false, "serve", NULL));
    assert_true(f->pid > 0);
}

static bool none_waits(void *subject)
{
    return ((struct fixture *)subject)->prelaunch.spawned.pid == 0;
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

    assert_false(prelaunch_take(&f->prelaunch, &spawned));
}

static void it_is_handed_over_alive_with_its_descriptors(void **state)
{
    struct fixture *f = *state;
    struct spawned spawned;

    start_waiting(f);
    assert_true(prelaunch_take(&f->prelaunch, &spawned));
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
    assert_true(prelaunch_take(&f->prelaunch, &spawned));
    assert_false(prelaunch_take(&f->prelaunch, &again));
    spawn_kill(spawned.pid, SIGKILL);
    loop_until(f->loop, it_is_gone, f);
    spawned_close(&spawned);
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
    assert_int_equal(f->prelaunch.spawned.in, -1);
    assert_int_equal(f->prelaunch.spawned.fd1, -1);
    assert_false(prelaunch_take(&f->prelaunch, &spawned));
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
    struct launch launch = launch_of("/nowhere/launcher");
    struct spawned spawned;

    assert_false(prelaunch_start(&f->prelaunch, &launch, 0));
    assert_null(launch.argv);
    assert_false(prelaunch_take(&f->prelaunch, &spawned));
    start_waiting(f);
}

static void done_kills_what_waits(void **state)
{
    struct fixture *f = *state;

    start_waiting(f);
    prelaunch_done(&f->prelaunch);
    loop_until(f->loop, it_is_gone, f);
    prelaunch_done(&f->prelaunch); /* a second time is harmless */
}

#define FACT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(nothing_is_handed_over_before_a_start),
        FACT(it_is_handed_over_alive_with_its_descriptors),
        FACT(it_is_handed_over_once),
        FACT(a_second_start_keeps_the_one_that_waits),
        FACT(one_that_ends_while_it_waits_is_forgotten),
        FACT(after_one_that_ended_another_can_be_started),
        FACT(a_missing_program_is_no_start_and_no_harm),
        FACT(done_kills_what_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

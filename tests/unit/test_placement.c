/* A worker is bound to one processor only while its line is written. */

#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/placement.h"

#define SHORT_NS 10000
#define HEAVY_NS 10000000
#define TRIES    16 /* one line in a few is placed */

static pid_t start_sleeper(void)
{
    pid_t pid = fork();

    if (pid == 0)
        for (;;)
            (void)pause();
    assert_true(pid > 0);
    return pid;
}

static void end_sleeper(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int n_processors(pid_t pid)
{
    cpu_set_t set;

    assert_int_equal(sched_getaffinity(pid, sizeof(set), &set), 0);
    return CPU_COUNT(&set);
}

/* How many of TRIES lines were placed; after each the process may run where it could before. */
static int n_placed(struct placement *placement, pid_t pid, uint64_t work_ns)
{
    int all = n_processors(pid);
    int n = 0;

    for (int i = 0; i < TRIES; i++) {
        if (!placement_begin(placement, pid, work_ns))
            continue;
        n++;
        assert_int_equal(n_processors(pid), 1);
        placement_end(placement, pid);
        assert_int_equal(n_processors(pid), all);
    }
    return n;
}

static void a_light_worker_is_bound_while_its_line_is_written(void **state)
{
    pid_t pid = start_sleeper();
    bool several = n_processors(pid) > 1; /* with one there is nothing to choose */
    struct placement placement;

    (void)state;
    placement_open(&placement, true);
    assert_int_equal(n_placed(&placement, pid, SHORT_NS) > 0, several);
    end_sleeper(pid);
}

static void one_that_computes_is_not(void **state)
{
    pid_t pid = start_sleeper();
    struct placement placement;

    (void)state;
    placement_open(&placement, true);
    assert_int_equal(n_placed(&placement, pid, HEAVY_NS), 0);
    assert_int_equal(n_placed(&placement, pid, 0), 0);
    end_sleeper(pid);
}

static void nobody_is_where_it_is_switched_off(void **state)
{
    pid_t pid = start_sleeper();
    struct placement placement;

    (void)state;
    placement_open(&placement, false);
    assert_int_equal(n_placed(&placement, pid, SHORT_NS), 0);
    end_sleeper(pid);
}

static void nobody_is_where_there_is_one_processor(void **state)
{
    pid_t pid = start_sleeper();
    struct placement placement;
    cpu_set_t own;
    cpu_set_t one;

    (void)state;
    assert_int_equal(sched_getaffinity(pid, sizeof(own), &own), 0);
    CPU_ZERO(&one);
    for (size_t cpu = 0; CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &own))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(pid, sizeof(one), &one), 0);
    placement_open(&placement, true);
    assert_int_equal(n_placed(&placement, pid, SHORT_NS), 0);
    end_sleeper(pid);
}

static void *sleep_in_thread(void *arg)
{
    while (pause() != 0)
        ;
    return arg;
}

static void nobody_that_has_threads_is(void **state)
{
    int pipes[2];
    char byte;
    pid_t pid;
    struct placement placement;

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    pid = fork();
    if (pid == 0) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, sleep_in_thread, NULL) == 0)
            (void)!write(pipes[1], "", 1);
        _exit(sleep_in_thread(NULL) != NULL);
    }
    (void)close(pipes[1]);
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    (void)close(pipes[0]);
    placement_open(&placement, true);
    assert_int_equal(n_placed(&placement, pid, SHORT_NS), 0);
    end_sleeper(pid);
}

static void a_process_that_is_gone_costs_nothing_more(void **state)
{
    pid_t pid = start_sleeper();
    struct placement placement;

    (void)state;
    placement_open(&placement, true);
    end_sleeper(pid);
    for (int i = 0; i < TRIES; i++)
        assert_false(placement_begin(&placement, pid, SHORT_NS));
    assert_false(placement.possible);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_light_worker_is_bound_while_its_line_is_written),
        cmocka_unit_test(one_that_computes_is_not),
        cmocka_unit_test(nobody_is_where_it_is_switched_off),
        cmocka_unit_test(nobody_is_where_there_is_one_processor),
        cmocka_unit_test(nobody_that_has_threads_is),
        cmocka_unit_test(a_process_that_is_gone_costs_nothing_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "test.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "config.h"
#include "setup.h"

/* The size of pipes where the kernel lets a user have so many pages. */
static int pipe_bytes(const char *pages, unsigned n_workers)
{
    char path[] = "/tmp/whiskloop-test-XXXXXX";
    int fd = mkstemp(path);
    int bytes;

    assert_true(fd >= 0);
    assert_true(dprintf(fd, "%s\n", pages) > 0);
    (void)close(fd);
    bytes = setup_pipe_bytes(path, n_workers);
    (void)unlink(path);
    return bytes;
}

static void few_workers_get_large_pipes(void **state)
{
    (void)state;
    assert_int_equal(pipe_bytes("16384", 1), 1 << 20);
    assert_int_equal(pipe_bytes("16384", 4), 1 << 20);
}

static void the_pipes_of_many_workers_stay_within_half_of_the_limit(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 100; n++) {
        int bytes = pipe_bytes("16384", n);

        assert_true(bytes == 65536 || (long)bytes * 3 * (long)n <= 16384L * 4096 / 2);
    }
    assert_int_equal(pipe_bytes("16384", 30), 1 << 18);
}

static void no_limit_is_no_reason_for_small_pipes(void **state)
{
    (void)state;
    assert_int_equal(pipe_bytes("0", 256), 1 << 20);
    assert_int_equal(setup_pipe_bytes("/no/such/file", 256), 1 << 20);
}

static void with_one_processor_nobody_looks_before_sleeping(void **state)
{
    struct config config = {.busy_poll_us = 100};
    struct setup setup = {.config = &config};
    cpu_set_t before;
    cpu_set_t one;
    uint64_t us;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    setup.n_cpus = cgroup_usable_cpus("");
    us = setup_busy_poll_us(&setup);
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
    assert_int_equal(us, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_workers_get_large_pipes),
        cmocka_unit_test(the_pipes_of_many_workers_stay_within_half_of_the_limit),
        cmocka_unit_test(no_limit_is_no_reason_for_small_pipes),
        cmocka_unit_test(with_one_processor_nobody_looks_before_sleeping),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

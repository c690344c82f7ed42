/* cpus: never none, and never more than this process may use. */

#include "test.h"

#include <sched.h>

#include "base/cpus.h"

static void there_is_at_least_one(void **state)
{
    (void)state;
    assert_true(cpus_usable("") >= 1);
}

static void there_are_never_more_than_the_affinity_allows(void **state)
{
    cpu_set_t set;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
    assert_true(cpus_usable("") <= (unsigned)CPU_COUNT(&set));
}

static void a_process_bound_to_one_processor_has_one(void **state)
{
    cpu_set_t before;
    cpu_set_t one;
    unsigned n;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    CPU_ZERO(&one);
    for (unsigned i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &before))
            CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    n = cpus_usable("");
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
    assert_int_equal(n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_is_at_least_one),
        cmocka_unit_test(there_are_never_more_than_the_affinity_allows),
        cmocka_unit_test(a_process_bound_to_one_processor_has_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* busy_poll: looking before sleeping goes on only while it mostly finds something. */

#include "test.h"

#include "base/busy_poll.h"

static void learn(struct busy_poll *poll, unsigned n, bool soon)
{
    while (n-- > 0)
        busy_poll_learn(poll, soon);
}

static void at_first_it_sleeps(void **state)
{
    struct busy_poll poll = {.limit_us = 100};

    (void)state;
    assert_false(busy_poll_pays(&poll));
    learn(&poll, 7, true);
    assert_false(busy_poll_pays(&poll));
}

static void it_looks_after_eight_short_waits(void **state)
{
    struct busy_poll poll = {.limit_us = 100};

    (void)state;
    learn(&poll, 8, true);
    assert_true(busy_poll_pays(&poll));
}

static void without_a_limit_it_never_looks(void **state)
{
    struct busy_poll poll = {.limit_us = 0};

    (void)state;
    learn(&poll, 1000, true);
    assert_false(busy_poll_pays(&poll));
}

static void after_the_longest_burst_three_waits_in_vain_end_it(void **state)
{
    struct busy_poll poll = {.limit_us = 100};

    (void)state;
    learn(&poll, 1000000, true);
    learn(&poll, 2, false);
    assert_true(busy_poll_pays(&poll));
    learn(&poll, 1, false);
    assert_false(busy_poll_pays(&poll));
}

/* So many short waits, then a long one, again and again: how many of the long ones it looked at. */
static unsigned n_in_vain(unsigned n_short, unsigned n_times)
{
    struct busy_poll poll = {.limit_us = 100};
    unsigned n = 0;

    for (unsigned i = 0; i < n_times; i++) {
        learn(&poll, n_short, true);
        n += busy_poll_pays(&poll);
        busy_poll_learn(&poll, false);
    }
    return n;
}

static void requests_that_come_one_by_one_never_make_it_look(void **state)
{
    (void)state;
    assert_int_equal(n_in_vain(0, 1000), 0);
    assert_int_equal(n_in_vain(1, 1000), 0); /* one wait for the answer, one for the next request */
    assert_int_equal(n_in_vain(4, 1000), 0);
}

static void it_looks_where_more_than_four_of_five_waits_are_short(void **state)
{
    (void)state;
    assert_true(n_in_vain(9, 1000) > 900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_first_it_sleeps),
        cmocka_unit_test(it_looks_after_eight_short_waits),
        cmocka_unit_test(without_a_limit_it_never_looks),
        cmocka_unit_test(after_the_longest_burst_three_waits_in_vain_end_it),
        cmocka_unit_test(requests_that_come_one_by_one_never_make_it_look),
        cmocka_unit_test(it_looks_where_more_than_four_of_five_waits_are_short),
    };

    return cmocka_run_group_tests_name("busy_poll", tests, NULL, NULL);
}

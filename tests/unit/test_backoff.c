/* When a worker that ended may be started again. */

#include "test.h"

#include "base/util.h"
#include "pool/backoff.h"

#define NOW 1000000

static const struct backoff_opts opts = {
    .pause_ms = 100, .pause_max_ms = 10000, .broken_after = 5, .broken_life_ms = 60000};

/* The pause after n deaths in a row, without jitter (chance 0). */
static uint64_t pause_after(unsigned n, uint64_t chance)
{
    struct backoff backoff = {0};

    for (unsigned i = 0; i < n; i++)
        backoff_died(&backoff, &opts, NOW, 0, chance);
    return backoff.at_ms - NOW;
}

static void the_first_restart_is_at_once(void **state)
{
    (void)state;
    assert_int_equal(pause_after(1, 0), 0);
    assert_int_equal(pause_after(1, 1023), 0);
}

static void pauses_double_up_to_the_longest(void **state)
{
    static const uint64_t wanted[] = {100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(wanted); i++)
        assert_int_equal(pause_after(i + 2, 0), wanted[i]);
    assert_int_equal(pause_after(10000, 0), 10000);
}

static void jitter_shortens_a_pause_by_less_than_a_quarter(void **state)
{
    bool differs = false;

    (void)state;
    for (uint64_t chance = 0; chance < 5000; chance++) {
        uint64_t pause = pause_after(20, chance);

        assert_in_range(pause, 7500, 10000);
        differs = differs || pause != pause_after(20, 0);
    }
    assert_true(differs);
}

static void an_answer_ends_the_row(void **state)
{
    struct backoff backoff = {0};

    (void)state;
    for (int i = 0; i < 4; i++)
        backoff_died(&backoff, &opts, NOW, 0, 0);
    backoff_worked(&backoff);
    backoff_died(&backoff, &opts, NOW, 0, 0);
    assert_int_equal(backoff.at_ms, NOW);
    assert_int_equal(backoff.n_deaths, 1);
}

static void a_long_life_ends_the_row(void **state)
{
    struct backoff backoff = {0};

    (void)state;
    for (int i = 0; i < 4; i++)
        backoff_died(&backoff, &opts, NOW, 60000, 0);
    assert_int_equal(backoff.n_deaths, 4);
    backoff_died(&backoff, &opts, NOW, 60001, 0);
    assert_int_equal(backoff.n_deaths, 1);
}

static void so_many_in_a_row_are_broken(void **state)
{
    struct backoff backoff = {0};
    struct backoff_opts never = opts;

    (void)state;
    never.broken_after = 0;
    for (int i = 0; i < 4; i++)
        backoff_died(&backoff, &opts, NOW, 0, 0);
    assert_false(backoff_circuit_is_open(&backoff, &opts));
    backoff_died(&backoff, &opts, NOW, 0, 0);
    assert_true(backoff_circuit_is_open(&backoff, &opts));
    assert_false(backoff_circuit_is_open(&backoff, &never));
    backoff_worked(&backoff);
    assert_false(backoff_circuit_is_open(&backoff, &opts));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_restart_is_at_once),
        cmocka_unit_test(pauses_double_up_to_the_longest),
        cmocka_unit_test(jitter_shortens_a_pause_by_less_than_a_quarter),
        cmocka_unit_test(an_answer_ends_the_row),
        cmocka_unit_test(a_long_life_ends_the_row),
        cmocka_unit_test(so_many_in_a_row_are_broken),
    };

    return cmocka_run_group_tests_name("restarts", tests, NULL, NULL);
}

/* tally: what is counted of a process's life. */

#include "test.h"

#include "worker_fixture.h"

static void assert_deaths(const struct fixture *f, enum death cause, uint64_t n)
{
    for (int i = 0; i < N_DEATHS; i++)
        assert_int_equal(f->tally.n_deaths[i], i == (int)cause ? n : 0);
}

static void a_start_counts_and_the_next_one_is_a_restart(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    assert_int_equal(f->tally.n_starts, 1);
    assert_int_equal(f->tally.n_restarts, 0);
    (void)run(f, "exit:3");
    loop_until(f->loop, is_down, f);
    assert_deaths(f, DEATH_EXITED, 1);
    worker_start(&f->worker);
    loop_until(f->loop, is_ready, f);
    assert_int_equal(f->tally.n_starts, 2);
    assert_int_equal(f->tally.n_restarts, 1);
}

static void a_kill_from_outside_is_a_signal(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    spawn_kill(f->worker.pid, SIGKILL);
    loop_until(f->loop, is_down, f);
    assert_deaths(f, DEATH_SIGNALLED, 1);
}

static void a_program_that_is_missing_is_unspawned(void **state)
{
    struct fixture *f = *state;

    start_in_vain(f, spec_of("/nowhere/program"));
    assert_int_equal(f->tally.n_starts, 1);
    assert_deaths(f, DEATH_UNSPAWNED, 1);
}

static void a_worker_that_closes_its_answers_and_stays_hung(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    (void)run(f, "close3");
    loop_until(f->loop, is_down, f);
    assert_deaths(f, DEATH_HUNG, 1);
}

static void a_run_past_its_deadline_is_the_deadlines_doing(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    (void)give_until(f, "deaf", 20);
    loop_until(f->loop, is_down, f);
    assert_deaths(f, DEATH_DEADLINE, 1);
}

static void a_worker_that_was_told_to_stop_is_stopped(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    worker_stop(&f->worker);
    loop_until(f->loop, is_down, f);
    assert_deaths(f, DEATH_STOPPED, 1);
}

static void each_answer_is_one_piece_of_work(void **state)
{
    struct fixture *f = *state;
    uint64_t n = 0;

    start(f, serve(ANSWERS_FD3));
    for (int i = 0; i < 3; i++)
        (void)run(f, "line3:{}");
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        n += f->tally.work.counts[i];
    assert_int_equal(n, 3);
    assert_true(f->tally.work.sum_us > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_start_counts_and_the_next_one_is_a_restart),
        TEST(a_kill_from_outside_is_a_signal),
        TEST(a_program_that_is_missing_is_unspawned),
        TEST(a_worker_that_closes_its_answers_and_stays_hung),
        TEST(a_run_past_its_deadline_is_the_deadlines_doing),
        TEST(a_worker_that_was_told_to_stop_is_stopped),
        TEST(each_answer_is_one_piece_of_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* tally: what is counted of a process's life, and which cause its end is put down to. */

#include "test.h"

#include "worker_fixture.h"

/* Wait statuses as wait(2) gives them. */
#define EXITED(status)  ((status) << 8)
#define SIGNALLED(with) (with)

static void the_cause_follows_from_the_facts(void **state)
{
    static const struct {
        const char *name;
        struct worker worker;
        enum cause wanted;
    } cases[] = {
        {"left by itself", {.wait_status = EXITED(0)}, CAUSE_EXITED},
        {"left while starting", {.state = WORKER_STARTING, .wait_status = EXITED(1)}, CAUSE_EXITED},
        {"crashed", {.wait_status = SIGNALLED(SIGSEGV)}, CAUSE_SIGNALLED},
        {"killed from outside", {.wait_status = SIGNALLED(SIGKILL)}, CAUSE_SIGNALLED},
        {"its pipes closed before its status came",
         {.state = WORKER_STOPPING,
          .hung = true,
          .ending.signo = SIGKILL,
          .wait_status = EXITED(3)},
         CAUSE_EXITED},
        {"the same, killed from outside",
         {.state = WORKER_STOPPING,
          .hung = true,
          .ending.signo = SIGKILL,
          .wait_status = SIGNALLED(SIGKILL)},
         CAUSE_SIGNALLED},
        {"hung, ended by our SIGTERM",
         {.state = WORKER_STOPPING,
          .hung = true,
          .ending.signo = SIGKILL,
          .wait_status = SIGNALLED(SIGTERM)},
         CAUSE_HUNG},
        {"hung, ended by our SIGKILL",
         {.state = WORKER_STOPPING,
          .hung = true,
          .ending.signo = 0,
          .wait_status = SIGNALLED(SIGKILL)},
         CAUSE_HUNG},
        {"past a deadline",
         {.state = WORKER_STOPPING, .late = true, .wait_status = SIGNALLED(SIGTERM)},
         CAUSE_DEADLINE},
        {"past a deadline, then left in order",
         {.state = WORKER_STOPPING, .late = true, .wait_status = EXITED(0)},
         CAUSE_DEADLINE},
        {"not ready in time",
         {.state = WORKER_STOPPING,
          .start_err = {.kind = ERR_LIMIT},
          .wait_status = SIGNALLED(SIGTERM)},
         CAUSE_START_TIMEOUT},
        {"said no", {.refused = true, .wait_status = EXITED(1)}, CAUSE_REFUSED},
        {"not wanted any more",
         {.state = WORKER_STOPPING, .unwanted = true, .wait_status = SIGNALLED(SIGTERM)},
         CAUSE_STOPPED},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (tally_cause(&cases[i].worker) != cases[i].wanted)
            fail_msg("%s: %s", cases[i].name, cause_name(tally_cause(&cases[i].worker)));
    }
}

static void every_cause_and_state_has_a_word_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < N_CAUSES; i++) {
        assert_non_null(cause_name((enum cause)i));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(cause_name((enum cause)i), cause_name((enum cause)j));
    }
    for (unsigned i = 0; i < WORKER_STATES; i++)
        assert_non_null(worker_state_name((enum worker_state)i));
}

static void assert_deaths(const struct fixture *f, enum cause cause, uint64_t n)
{
    for (int i = 0; i < N_CAUSES; i++)
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
    assert_deaths(f, CAUSE_EXITED, 1);
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
    assert_deaths(f, CAUSE_SIGNALLED, 1);
}

static void a_program_that_is_missing_is_unspawned(void **state)
{
    struct fixture *f = *state;

    start_in_vain(f, spec_of("/nowhere/program"));
    assert_int_equal(f->tally.n_starts, 1);
    assert_deaths(f, CAUSE_UNSPAWNED, 1);
}

static void a_worker_that_closes_its_answers_and_stays_hung(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    (void)run(f, "close3");
    loop_until(f->loop, is_down, f);
    assert_deaths(f, CAUSE_HUNG, 1);
}

static void a_run_past_its_deadline_is_the_deadlines_doing(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    (void)give_until(f, "deaf", 20);
    loop_until(f->loop, is_down, f);
    assert_deaths(f, CAUSE_DEADLINE, 1);
}

static void a_worker_that_was_told_to_stop_is_stopped(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    worker_stop(&f->worker);
    loop_until(f->loop, is_down, f);
    assert_deaths(f, CAUSE_STOPPED, 1);
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
        cmocka_unit_test(the_cause_follows_from_the_facts),
        cmocka_unit_test(every_cause_and_state_has_a_word_of_its_own),
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

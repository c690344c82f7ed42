/* flight: which lines are written, which have begun, and what a late job leaves behind. */

#include "flight_fixture.h"

static void an_empty_flight_has_nothing(void **state)
{
    struct flight flight;
    struct iovec line;

    (void)state;
    flight_init(&flight);
    assert_null(flight_oldest(&flight));
    assert_int_equal(flight_lines(&flight, &line, 1), 0);
    assert_false(flight_is_fed(&flight));
    assert_int_equal(flight_n_begun(&flight, 0), 0);
}

static void lines_are_handed_out_in_order_and_within_the_bound(void **state)
{
    struct fixture *f = *state;
    struct iovec lines[N_JOBS];

    assert_unwritten(&f->flight, "a0\nb1x\nc2xx\nd3xxx\n");
    assert_int_equal(flight_lines(&f->flight, lines, 2), 2);
    assert_ptr_equal(lines[1].iov_base, f->jobs[1]->line);
}

static void one_byte_before_the_end_of_a_line_leaves_that_byte(void **state)
{
    struct fixture *f = *state;

    flight_wrote(&f->flight, 2);
    assert_ptr_equal(f->flight.unsent, f->jobs[0]);
    assert_unwritten(&f->flight, "\nb1x\nc2xx\nd3xxx\n");
}

static void a_write_that_ends_with_a_line_goes_on_with_the_next(void **state)
{
    struct fixture *f = *state;

    flight_wrote(&f->flight, 3);
    assert_ptr_equal(f->flight.unsent, f->jobs[1]);
    assert_int_equal(f->flight.unsent_written, 0);
}

static void a_write_over_two_ends_goes_on_inside_the_third_line(void **state)
{
    struct fixture *f = *state;

    flight_wrote(&f->flight, 3 + 4 + 1);
    assert_ptr_equal(f->flight.unsent, f->jobs[2]);
    assert_unwritten(&f->flight, "2xx\nd3xxx\n");
}

static void writes_of_single_bytes_come_to_the_same(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 3 + 4 + 1; i++)
        flight_wrote(&f->flight, 1);
    assert_unwritten(&f->flight, "2xx\nd3xxx\n");
}

static void all_written_leaves_nothing_unsent_until_one_more_is_added(void **state)
{
    struct fixture *f = *state;
    struct job more = {.line = f->jobs[0]->line, .len = 3, .deadline_at_ms = FAR_MS};

    flight_wrote(&f->flight, 3 + 4 + 5 + 6);
    assert_null(f->flight.unsent);
    assert_unwritten(&f->flight, "");
    flight_add(&f->flight, &more);
    assert_unwritten(&f->flight, "a0\n");
    assert_ptr_equal(flight_take(&f->flight, &more), &more);
}

static void it_is_fed_from_the_first_byte_on(void **state)
{
    struct fixture *f = *state;

    assert_false(flight_is_fed(&f->flight));
    flight_wrote(&f->flight, 1);
    assert_true(flight_is_fed(&f->flight));
}

static void it_is_not_fed_when_all_that_was_written_is_answered(void **state)
{
    struct fixture *f = *state;

    flight_wrote(&f->flight, 3);
    assert_true(flight_is_fed(&f->flight));
    (void)flight_take(&f->flight, f->jobs[0]);
    assert_false(flight_is_fed(&f->flight));
}

static void the_worker_has_begun_once_a_byte_is_missing_from_the_pipe(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(flight_n_begun(&f->flight, 0), 0);
    flight_wrote(&f->flight, 3 + 2); /* one line and a half */
    assert_int_equal(flight_n_begun(&f->flight, 5), 0);
    assert_int_equal(flight_n_begun(&f->flight, 4), 1);
}

static void the_next_has_not_begun_when_only_the_first_was_read_and_answered(void **state)
{
    struct fixture *f = *state;

    flight_wrote(&f->flight, 3 + 4);
    (void)flight_take(&f->flight, f->jobs[0]);
    assert_int_equal(flight_n_begun(&f->flight, 4), 0);
    assert_int_equal(flight_n_begun(&f->flight, 3), 1);
}

static void nobody_is_late_one_before_the_deadline(void **state)
{
    struct fixture *f = *state;
    struct job *late = NULL;

    f->jobs[2]->deadline_at_ms = NOW_MS + 1;
    assert_int_equal(flight_late(&f->flight, NOW_MS, GHOST_MS, &late), FLIGHT_IN_TIME);
    assert_int_equal(f->flight.soonest_ms, NOW_MS + 1);
    assert_null(late);
}

static void the_oldest_is_late_while_it_runs(void **state)
{
    struct fixture *f = *state;
    struct job *late = NULL;

    flight_wrote(&f->flight, 3);
    f->jobs[0]->deadline_at_ms = NOW_MS;
    assert_int_equal(flight_late(&f->flight, NOW_MS, GHOST_MS, &late), FLIGHT_LATE_RUNNING);
    assert_int_equal(f->flight.n, N_JOBS);
}

static void the_oldest_is_late_without_a_ghost_when_nothing_of_it_was_written(void **state)
{
    struct fixture *f = *state;

    give_up(f, f->jobs[0]);
    assert_int_equal(f->flight.n, N_JOBS - 1);
    assert_unwritten(&f->flight, "b1x\nc2xx\nd3xxx\n");
}

static void a_late_job_behind_the_unsent_one_leaves_no_ghost(void **state)
{
    struct fixture *f = *state;

    flight_wrote(&f->flight, 3 + 1);
    give_up(f, f->jobs[2]);
    assert_int_equal(f->flight.n, N_JOBS - 1);
    assert_unwritten(&f->flight, "1x\nd3xxx\n");
}

static void a_late_job_in_the_pipe_leaves_a_ghost_that_takes_its_answer(void **state)
{
    struct fixture *f = *state;
    struct job *ghost;

    flight_wrote(&f->flight, 3 + 4 + 5);
    give_up(f, f->jobs[1]);
    assert_int_equal(f->flight.n, N_JOBS);
    assert_ptr_equal(flight_take(&f->flight, flight_oldest(&f->flight)), f->jobs[0]);
    ghost = flight_oldest(&f->flight);
    assert_true(ghost->ghost);
    assert_null(flight_take(&f->flight, ghost));
    assert_ptr_equal(flight_oldest(&f->flight), f->jobs[2]);
}

static void a_ghost_counts_as_written_as_the_job_did(void **state)
{
    struct fixture *f = *state;

    flight_wrote(&f->flight, 3 + 4 + 5);
    give_up(f, f->jobs[1]);
    assert_int_equal(flight_n_begun(&f->flight, 12), 0);
    assert_int_equal(flight_n_begun(&f->flight, 11), 1);
}

static void a_ghost_of_a_half_written_line_keeps_the_rest_of_its_bytes(void **state)
{
    struct fixture *f = *state;

    flight_wrote(&f->flight, 3 + 2);
    give_up(f, f->jobs[1]);
    assert_null(f->jobs[1]->line); /* the client's job may go; the line stays */
    assert_unwritten(&f->flight, "x\nc2xx\nd3xxx\n");
    flight_wrote(&f->flight, 2);
    assert_ptr_equal(f->flight.unsent, f->jobs[2]);
}

static void a_ghost_must_be_answered_within_a_time_that_begins_with_its_turn(void **state)
{
    struct fixture *f = *state;
    struct job *late = NULL;

    flight_wrote(&f->flight, 3 + 4);
    give_up(f, f->jobs[1]);
    (void)flight_take(&f->flight, f->jobs[0]);
    assert_true(f->flight.soonest_ms <= NOW_MS); /* it is its turn: that asks for a look */
    assert_int_equal(flight_late(&f->flight, NOW_MS, GHOST_MS, &late), FLIGHT_IN_TIME);
    assert_int_equal(flight_late(&f->flight, NOW_MS + GHOST_MS - 1, GHOST_MS, &late),
                     FLIGHT_IN_TIME);
    assert_int_equal(flight_late(&f->flight, NOW_MS + GHOST_MS, GHOST_MS, &late),
                     FLIGHT_LATE_RUNNING);
}

/* Else the owner, who comes back at the soonest moment, would come back at once, for ever. */
static void a_ghost_past_its_time_behind_a_running_job_asks_for_no_look_at_once(void **state)
{
    struct fixture *f = *state;
    struct job *late = NULL;

    flight_wrote(&f->flight, 3 + 4);
    give_up(f, f->jobs[1]);
    assert_int_equal(flight_late(&f->flight, NOW_MS + GHOST_MS, GHOST_MS, &late), FLIGHT_IN_TIME);
    assert_true(f->flight.soonest_ms > NOW_MS + GHOST_MS);
}

static void several_late_ones_come_out_oldest_first(void **state)
{
    struct fixture *f = *state;
    struct job *late = NULL;

    flight_wrote(&f->flight, 3 + 4 + 5);
    f->jobs[1]->deadline_at_ms = f->jobs[2]->deadline_at_ms = f->jobs[3]->deadline_at_ms = NOW_MS;
    for (unsigned i = 1; i < N_JOBS; i++) {
        assert_int_equal(flight_late(&f->flight, NOW_MS, GHOST_MS, &late), FLIGHT_LATE_JOB);
        assert_ptr_equal(late, f->jobs[i]);
    }
    assert_int_equal(flight_late(&f->flight, NOW_MS, GHOST_MS, &late), FLIGHT_IN_TIME);
    assert_int_equal(f->flight.n, 1 + 2); /* the first, and two ghosts: the last was not written */
}

static void ghosts_are_dropped_and_jobs_stay(void **state)
{
    struct fixture *f = *state;

    flight_wrote(&f->flight, 3 + 4 + 5 + 6);
    give_up(f, f->jobs[1]);
    give_up(f, f->jobs[3]);
    flight_drop_ghosts(&f->flight);
    assert_int_equal(f->flight.n, 2);
    assert_int_equal(f->flight.n_ghosts, 0);
    (void)flight_take(&f->flight, f->jobs[0]);
    assert_ptr_equal(flight_oldest(&f->flight), f->jobs[2]);
}

#define FACT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void time_by_turn_begins_with_the_turn(void **state)
{
    struct fixture *f = *state;
    struct job *late = NULL;

    for (unsigned i = 0; i < N_JOBS; i++) {
        f->jobs[i]->deadline_at_ms = JOB_BY_TURN;
        f->jobs[i]->limit_ms = 10;
    }
    flight_wrote(&f->flight, 3);
    assert_int_equal(flight_late(&f->flight, NOW_MS, GHOST_MS, &late), FLIGHT_IN_TIME);
    assert_int_equal(f->flight.soonest_ms, NOW_MS + 10);
    assert_int_equal(flight_late(&f->flight, NOW_MS + 9, GHOST_MS, &late), FLIGHT_IN_TIME);
    (void)flight_take(&f->flight, f->jobs[0]);
    assert_int_equal(f->flight.soonest_ms, 0); /* the next look begins the second one's time */
    flight_wrote(&f->flight, 4);
    assert_int_equal(flight_late(&f->flight, NOW_MS + 9, GHOST_MS, &late), FLIGHT_IN_TIME);
    assert_int_equal(f->flight.soonest_ms, NOW_MS + 19);
    assert_int_equal(flight_late(&f->flight, NOW_MS + 18, GHOST_MS, &late), FLIGHT_IN_TIME);
    assert_int_equal(flight_late(&f->flight, NOW_MS + 19, GHOST_MS, &late), FLIGHT_LATE_RUNNING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_flight_has_nothing),
        FACT(lines_are_handed_out_in_order_and_within_the_bound),
        FACT(one_byte_before_the_end_of_a_line_leaves_that_byte),
        FACT(a_write_that_ends_with_a_line_goes_on_with_the_next),
        FACT(a_write_over_two_ends_goes_on_inside_the_third_line),
        FACT(writes_of_single_bytes_come_to_the_same),
        FACT(all_written_leaves_nothing_unsent_until_one_more_is_added),
        FACT(it_is_fed_from_the_first_byte_on),
        FACT(it_is_not_fed_when_all_that_was_written_is_answered),
        FACT(the_worker_has_begun_once_a_byte_is_missing_from_the_pipe),
        FACT(the_next_has_not_begun_when_only_the_first_was_read_and_answered),
        FACT(nobody_is_late_one_before_the_deadline),
        FACT(time_by_turn_begins_with_the_turn),
        FACT(the_oldest_is_late_while_it_runs),
        FACT(the_oldest_is_late_without_a_ghost_when_nothing_of_it_was_written),
        FACT(a_late_job_behind_the_unsent_one_leaves_no_ghost),
        FACT(a_late_job_in_the_pipe_leaves_a_ghost_that_takes_its_answer),
        FACT(a_ghost_counts_as_written_as_the_job_did),
        FACT(a_ghost_of_a_half_written_line_keeps_the_rest_of_its_bytes),
        FACT(a_ghost_must_be_answered_within_a_time_that_begins_with_its_turn),
        FACT(a_ghost_past_its_time_behind_a_running_job_asks_for_no_look_at_once),
        FACT(several_late_ones_come_out_oldest_first),
        FACT(ghosts_are_dropped_and_jobs_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

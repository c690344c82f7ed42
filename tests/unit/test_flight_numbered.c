/* flight: the same where lines have numbers and answers come in any order. */

#include "flight_fixture.h"

/* With "[1," and "]" around them the lines have 7, 8, 9 and 10 bytes. */
static int set_up_numbered(void **state)
{
    (void)set_up(state);
    flight_set_numbered(&((struct fixture *)*state)->flight, true);
    return 0;
}

static void lines_leave_with_their_numbers(void **state)
{
    struct fixture *f = *state;

    assert_unwritten(&f->flight, "[1,a0]\n[2,b1x]\n[3,c2xx]\n[4,d3xxx]\n");
}

static void what_is_left_of_a_line_follows_wherever_it_was_cut(void **state)
{
    struct fixture *f = *state;
    static const char lines[] = "[1,a0]\n[2,b1x]\n[3,c2xx]\n[4,d3xxx]\n";

    for (size_t n = 1; n < sizeof(lines) - 1; n++) {
        flight_wrote(&f->flight, 1);
        assert_unwritten(&f->flight, lines + n);
    }
    flight_wrote(&f->flight, 1);
    assert_null(f->flight.unsent);
}

static void only_whole_lines_are_prepared(void **state)
{
    struct fixture *f = *state;
    struct iovec parts[FLIGHT_PARTS + 2];

    assert_int_equal(flight_lines(&f->flight, parts, FLIGHT_PARTS + 2), FLIGHT_PARTS);
    assert_int_equal(flight_lines(&f->flight, parts, FLIGHT_PARTS - 1), 0);
}

static void what_was_written_is_found_by_its_number(void **state)
{
    struct fixture *f = *state;

    assert_null(flight_find(&f->flight, 1)); /* nobody can answer it yet */
    flight_wrote(&f->flight, 7 + 1);
    assert_ptr_equal(flight_find(&f->flight, 1), f->jobs[0]);
    assert_ptr_equal(flight_find(&f->flight, 2), f->jobs[1]); /* half of it is there */
    assert_null(flight_find(&f->flight, 3));
    assert_null(flight_find(&f->flight, 0));
    flight_wrote(&f->flight, 7 + 9 + 10);
    assert_ptr_equal(flight_find(&f->flight, 4), f->jobs[3]);
    (void)flight_take(&f->flight, f->jobs[1]);
    assert_null(flight_find(&f->flight, 2));
}

static void a_job_that_comes_back_to_another_worker_has_a_number_there(void **state)
{
    struct fixture *f = *state;
    struct job *job = flight_take(&f->flight, f->jobs[1]);

    flight_add(&f->flight, job);
    assert_int_equal(job->number, 5);
}

static void all_that_was_wholly_read_has_begun(void **state)
{
    struct fixture *f = *state;

    flight_wrote(&f->flight, 7 + 8 + 9 + 5);
    assert_int_equal(flight_n_begun(&f->flight, 29), 0);
    assert_int_equal(flight_n_begun(&f->flight, 23), 0); /* all but one byte of the first */
    assert_int_equal(flight_n_begun(&f->flight, 22), 1);
    assert_int_equal(flight_n_begun(&f->flight, 14), 2);
    assert_int_equal(flight_n_begun(&f->flight, 5), 3);
    assert_int_equal(flight_n_begun(&f->flight, 0), 3); /* the fourth is not there yet */
}

static void what_was_answered_before_does_not_count_as_unread(void **state)
{
    struct fixture *f = *state;

    flight_wrote(&f->flight, 7 + 8 + 9 + 10);
    (void)flight_take(&f->flight, f->jobs[1]);
    assert_int_equal(flight_n_begun(&f->flight, 19), 1);
    assert_int_equal(flight_n_begun(&f->flight, 10), 2);
}

/* By a launcher that guesses numbers: what had begun beside it must not be run a second time. */
static void what_was_answered_unread_hides_nothing_that_has_begun(void **state)
{
    struct fixture *f = *state;

    flight_wrote(&f->flight, 7 + 8 + 9 + 4);
    (void)flight_take(&f->flight, f->jobs[2]);
    assert_int_equal(flight_n_begun(&f->flight, 13), 2);
    assert_int_equal(flight_n_begun(&f->flight, 14), 1);
    (void)flight_take(&f->flight, f->jobs[3]); /* the half of a line, too */
    assert_int_equal(flight_n_begun(&f->flight, 13), 2);
}

static void a_ghost_has_begun_as_its_job_had(void **state)
{
    struct fixture *f = *state;

    flight_wrote(&f->flight, 7 + 8 + 9 + 10);
    give_up(f, f->jobs[1]);
    assert_int_equal(flight_n_begun(&f->flight, 20), 1);
    assert_int_equal(flight_n_begun(&f->flight, 19), 2);
}

static void a_late_one_that_runs_ends_alone(void **state)
{
    struct fixture *f = *state;

    flight_wrote(&f->flight, 7 + 8 + 9 + 10);
    give_up(f, f->jobs[0]);
    assert_int_equal(f->flight.n, N_JOBS);
    assert_false(flight_is_deserted(&f->flight));
    assert_true(flight_find(&f->flight, 1)->ghost);
    assert_null(flight_take(&f->flight, flight_find(&f->flight, 1)));
    assert_int_equal(f->flight.n_ghosts, 0);
}

static void a_ghost_has_all_the_time(void **state)
{
    struct fixture *f = *state;
    struct job *late = NULL;

    flight_wrote(&f->flight, 7 + 8 + 9 + 10);
    give_up(f, f->jobs[0]);
    assert_int_equal(flight_late(&f->flight, NOW_MS + GHOST_MS, GHOST_MS, &late), FLIGHT_IN_TIME);
    assert_int_equal(f->flight.soonest_ms, FAR_MS);
    (void)flight_take(&f->flight, f->jobs[1]);
    assert_int_equal(f->flight.soonest_ms, FAR_MS); /* no look for the ghost's sake */
}

static void a_late_one_that_was_not_written_leaves_nothing(void **state)
{
    struct fixture *f = *state;

    flight_wrote(&f->flight, 7);
    give_up(f, f->jobs[2]);
    assert_int_equal(f->flight.n, N_JOBS - 1);
    assert_unwritten(&f->flight, "[2,b1x]\n[4,d3xxx]\n");
}

static void the_rest_of_a_late_ones_line_still_leaves(void **state)
{
    struct fixture *f = *state;

    flight_wrote(&f->flight, 7 + 4);
    give_up(f, f->jobs[1]);
    assert_unwritten(&f->flight, "1x]\n[3,c2xx]\n[4,d3xxx]\n");
}

static void ghosts_alone_are_a_deserted_flight(void **state)
{
    struct fixture *f = *state;

    assert_false(flight_is_deserted(&f->flight));
    flight_wrote(&f->flight, 7 + 8 + 9 + 10);
    for (unsigned i = 1; i < N_JOBS; i++)
        give_up(f, f->jobs[i]);
    assert_false(flight_is_deserted(&f->flight));
    (void)flight_take(&f->flight, f->jobs[0]);
    assert_true(flight_is_deserted(&f->flight));
    while (f->flight.n > 0)
        (void)flight_take(&f->flight, flight_oldest(&f->flight));
    assert_false(flight_is_deserted(&f->flight)); /* it is empty */
}

static void time_by_turn_begins_for_all_at_once(void **state)
{
    struct fixture *f = *state;
    struct job *late = NULL;
    struct job *job = flight_take(&f->flight, f->jobs[3]);

    job->deadline_at_ms = JOB_BY_TURN;
    job->limit_ms = 10;
    flight_add(&f->flight, job);
    assert_true(f->flight.soonest_ms <= NOW_MS); /* that asks for a look */
    assert_int_equal(flight_late(&f->flight, NOW_MS, GHOST_MS, &late), FLIGHT_IN_TIME);
    assert_int_equal(f->flight.soonest_ms, NOW_MS + 10);
    assert_int_equal(flight_late(&f->flight, NOW_MS + 10, GHOST_MS, &late), FLIGHT_LATE_JOB);
    assert_ptr_equal(late, job);
}

#define FACT(name) cmocka_unit_test_setup_teardown(name, set_up_numbered, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(lines_leave_with_their_numbers),
        FACT(what_is_left_of_a_line_follows_wherever_it_was_cut),
        FACT(only_whole_lines_are_prepared),
        FACT(what_was_written_is_found_by_its_number),
        FACT(a_job_that_comes_back_to_another_worker_has_a_number_there),
        FACT(all_that_was_wholly_read_has_begun),
        FACT(what_was_answered_before_does_not_count_as_unread),
        FACT(what_was_answered_unread_hides_nothing_that_has_begun),
        FACT(a_ghost_has_begun_as_its_job_had),
        FACT(a_late_one_that_runs_ends_alone),
        FACT(a_ghost_has_all_the_time),
        FACT(a_late_one_that_was_not_written_leaves_nothing),
        FACT(the_rest_of_a_late_ones_line_still_leaves),
        FACT(ghosts_alone_are_a_deserted_flight),
        FACT(time_by_turn_begins_for_all_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

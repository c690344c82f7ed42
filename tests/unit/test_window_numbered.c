/* window: the same where lines have numbers and answers come in any order. */

#include "window_fixture.h"

/* With "[1," and "]" around them the lines have 7, 8, 9 and 10 bytes. */
static int set_up_numbered(void **state)
{
    (void)set_up(state);
    window_set_numbered(&((struct fixture *)*state)->window, true);
    return 0;
}

static void lines_leave_with_their_numbers(void **state)
{
    struct fixture *f = *state;

    assert_unwritten(&f->window, "[1,a0]\n[2,b1x]\n[3,c2xx]\n[4,d3xxx]\n");
}

static void what_is_left_of_a_line_follows_wherever_it_was_cut(void **state)
{
    struct fixture *f = *state;
    static const char lines[] = "[1,a0]\n[2,b1x]\n[3,c2xx]\n[4,d3xxx]\n";

    for (size_t n = 1; n < sizeof(lines) - 1; n++) {
        window_wrote(&f->window, 1);
        assert_unwritten(&f->window, lines + n);
    }
    window_wrote(&f->window, 1);
    assert_null(f->window.unsent);
}

static void only_whole_lines_are_prepared(void **state)
{
    struct fixture *f = *state;
    struct iovec pieces[WINDOW_PIECES + 2];

    assert_int_equal(window_lines(&f->window, pieces, WINDOW_PIECES + 2), WINDOW_PIECES);
    assert_int_equal(window_lines(&f->window, pieces, WINDOW_PIECES - 1), 0);
}

static void what_was_written_is_found_by_its_number(void **state)
{
    struct fixture *f = *state;

    assert_null(window_find(&f->window, 1)); /* nobody can answer it yet */
    window_wrote(&f->window, 7 + 1);
    assert_ptr_equal(window_find(&f->window, 1), f->jobs[0]);
    assert_ptr_equal(window_find(&f->window, 2), f->jobs[1]); /* half of it is there */
    assert_null(window_find(&f->window, 3));
    assert_null(window_find(&f->window, 0));
    window_wrote(&f->window, 7 + 9 + 10);
    assert_ptr_equal(window_find(&f->window, 4), f->jobs[3]);
    (void)window_take(&f->window, f->jobs[1]);
    assert_null(window_find(&f->window, 2));
}

static void a_job_that_comes_back_to_another_worker_has_a_number_there(void **state)
{
    struct fixture *f = *state;
    struct job *job = window_take(&f->window, f->jobs[1]);

    window_add(&f->window, job);
    assert_int_equal(job->number, 5);
}

static void all_that_was_wholly_read_has_begun(void **state)
{
    struct fixture *f = *state;

    window_wrote(&f->window, 7 + 8 + 9 + 5);
    assert_int_equal(window_n_begun(&f->window, 29), 0);
    assert_int_equal(window_n_begun(&f->window, 23), 0); /* all but one byte of the first */
    assert_int_equal(window_n_begun(&f->window, 22), 1);
    assert_int_equal(window_n_begun(&f->window, 14), 2);
    assert_int_equal(window_n_begun(&f->window, 5), 3);
    assert_int_equal(window_n_begun(&f->window, 0), 3); /* the fourth is not there yet */
}

static void what_was_answered_before_does_not_count_as_unread(void **state)
{
    struct fixture *f = *state;

    window_wrote(&f->window, 7 + 8 + 9 + 10);
    (void)window_take(&f->window, f->jobs[1]);
    assert_int_equal(window_n_begun(&f->window, 19), 1);
    assert_int_equal(window_n_begun(&f->window, 10), 2);
}

/* By a launcher that guesses numbers: what had begun beside it must not be run a second time. */
static void what_was_answered_unread_hides_nothing_that_has_begun(void **state)
{
    struct fixture *f = *state;

    window_wrote(&f->window, 7 + 8 + 9 + 4);
    (void)window_take(&f->window, f->jobs[2]);
    assert_int_equal(window_n_begun(&f->window, 13), 2);
    assert_int_equal(window_n_begun(&f->window, 14), 1);
    (void)window_take(&f->window, f->jobs[3]); /* the half of a line, too */
    assert_int_equal(window_n_begun(&f->window, 13), 2);
}

static void a_tombstone_has_begun_as_its_job_had(void **state)
{
    struct fixture *f = *state;

    window_wrote(&f->window, 7 + 8 + 9 + 10);
    give_up(f, f->jobs[1]);
    assert_int_equal(window_n_begun(&f->window, 20), 1);
    assert_int_equal(window_n_begun(&f->window, 19), 2);
}

static void a_late_one_that_runs_ends_alone(void **state)
{
    struct fixture *f = *state;

    window_wrote(&f->window, 7 + 8 + 9 + 10);
    give_up(f, f->jobs[0]);
    assert_int_equal(f->window.n, N_JOBS);
    assert_false(window_is_deserted(&f->window));
    assert_true(window_find(&f->window, 1)->tombstone);
    assert_null(window_take(&f->window, window_find(&f->window, 1)));
    assert_int_equal(f->window.n_tombstones, 0);
}

static void a_tombstone_has_all_the_time(void **state)
{
    struct fixture *f = *state;
    struct job *late = NULL;

    window_wrote(&f->window, 7 + 8 + 9 + 10);
    give_up(f, f->jobs[0]);
    assert_int_equal(window_late(&f->window, NOW_MS + TOMBSTONE_MS, TOMBSTONE_MS, &late),
                     WINDOW_IN_TIME);
    assert_int_equal(f->window.soonest_ms, FAR_MS);
    (void)window_take(&f->window, f->jobs[1]);
    assert_int_equal(f->window.soonest_ms, FAR_MS); /* no look for the tombstone's sake */
}

static void a_late_one_that_was_not_written_leaves_nothing(void **state)
{
    struct fixture *f = *state;

    window_wrote(&f->window, 7);
    give_up(f, f->jobs[2]);
    assert_int_equal(f->window.n, N_JOBS - 1);
    assert_unwritten(&f->window, "[2,b1x]\n[4,d3xxx]\n");
}

static void the_rest_of_a_late_ones_line_still_leaves(void **state)
{
    struct fixture *f = *state;

    window_wrote(&f->window, 7 + 4);
    give_up(f, f->jobs[1]);
    assert_unwritten(&f->window, "1x]\n[3,c2xx]\n[4,d3xxx]\n");
}

static void the_rest_of_a_late_ones_line_leaves_even_if_its_number_was_cut(void **state)
{
    struct fixture *f = *state;

    window_wrote(&f->window, 7 + 1);
    give_up(f, f->jobs[1]);
    assert_unwritten(&f->window, "2,b1x]\n[3,c2xx]\n[4,d3xxx]\n");
}

static void tombstones_alone_are_a_deserted_flight(void **state)
{
    struct fixture *f = *state;

    assert_false(window_is_deserted(&f->window));
    window_wrote(&f->window, 7 + 8 + 9 + 10);
    for (unsigned i = 1; i < N_JOBS; i++)
        give_up(f, f->jobs[i]);
    assert_false(window_is_deserted(&f->window));
    (void)window_take(&f->window, f->jobs[0]);
    assert_true(window_is_deserted(&f->window));
    while (f->window.n > 0)
        (void)window_take(&f->window, window_oldest(&f->window));
    assert_false(window_is_deserted(&f->window)); /* it is empty */
}

static void time_by_turn_begins_for_all_at_once(void **state)
{
    struct fixture *f = *state;
    struct job *late = NULL;
    struct job *job = window_take(&f->window, f->jobs[3]);

    job->deadline_at_ms = JOB_BY_TURN;
    job->limit_ms = 10;
    window_add(&f->window, job);
    assert_true(f->window.soonest_ms <= NOW_MS); /* that asks for a look */
    assert_int_equal(window_late(&f->window, NOW_MS, TOMBSTONE_MS, &late), WINDOW_IN_TIME);
    assert_int_equal(f->window.soonest_ms, NOW_MS + 10);
    assert_int_equal(window_late(&f->window, NOW_MS + 10, TOMBSTONE_MS, &late), WINDOW_LATE_JOB);
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
        FACT(a_tombstone_has_begun_as_its_job_had),
        FACT(a_late_one_that_runs_ends_alone),
        FACT(a_tombstone_has_all_the_time),
        FACT(a_late_one_that_was_not_written_leaves_nothing),
        FACT(the_rest_of_a_late_ones_line_still_leaves),
        FACT(the_rest_of_a_late_ones_line_leaves_even_if_its_number_was_cut),
        FACT(tombstones_alone_are_a_deserted_flight),
        FACT(time_by_turn_begins_for_all_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

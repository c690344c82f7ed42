/* window: which lines are written, which have begun, and what a late job leaves behind. */

#include "window_fixture.h"

/* Launchers count the lines that they get: "cancel 1" means the first line of this process. */
static void lines_are_counted_anew_for_each_process(void **state)
{
    struct fixture *f = *state;

    window_wrote(&f->window, 3 + 4 + 5 + 6);
    for (unsigned i = 0; i < N_JOBS; i++)
        (void)window_take(&f->window, f->jobs[i]);
    assert_int_equal(f->jobs[3]->number, 4);
    window_open(&f->window);
    window_add(&f->window, f->jobs[2]);
    window_wrote(&f->window, 5);
    assert_int_equal(f->jobs[2]->number, 1);
}

static void an_empty_window_has_nothing(void **state)
{
    struct window window;
    struct iovec line;

    (void)state;
    window_init(&window);
    assert_null(window_oldest(&window));
    assert_int_equal(window_lines(&window, &line, 1), 0);
    assert_false(window_awaits_answer(&window));
    assert_int_equal(window_n_begun(&window, 0), 0);
}

static void lines_are_handed_out_in_order_and_within_the_bound(void **state)
{
    struct fixture *f = *state;
    struct iovec lines[N_JOBS];

    assert_unwritten(&f->window, "a0\nb1x\nc2xx\nd3xxx\n");
    assert_int_equal(window_lines(&f->window, lines, 2), 2);
    assert_ptr_equal(lines[1].iov_base, f->jobs[1]->line);
}

static void one_byte_before_the_end_of_a_line_leaves_that_byte(void **state)
{
    struct fixture *f = *state;

    window_wrote(&f->window, 2);
    assert_ptr_equal(f->window.unsent, f->jobs[0]);
    assert_unwritten(&f->window, "\nb1x\nc2xx\nd3xxx\n");
}

static void a_write_that_ends_with_a_line_goes_on_with_the_next(void **state)
{
    struct fixture *f = *state;

    window_wrote(&f->window, 3);
    assert_ptr_equal(f->window.unsent, f->jobs[1]);
    assert_int_equal(f->window.unsent_written, 0);
}

static void a_write_over_two_ends_goes_on_inside_the_third_line(void **state)
{
    struct fixture *f = *state;

    window_wrote(&f->window, 3 + 4 + 1);
    assert_ptr_equal(f->window.unsent, f->jobs[2]);
    assert_unwritten(&f->window, "2xx\nd3xxx\n");
}

static void writes_of_single_bytes_come_to_the_same(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 3 + 4 + 1; i++)
        window_wrote(&f->window, 1);
    assert_unwritten(&f->window, "2xx\nd3xxx\n");
}

static void all_written_leaves_nothing_unsent_until_one_more_is_added(void **state)
{
    struct fixture *f = *state;
    struct job more = {.line = f->jobs[0]->line, .len = 3, .deadline_at_ms = FAR_MS};

    window_wrote(&f->window, 3 + 4 + 5 + 6);
    assert_null(f->window.unsent);
    assert_unwritten(&f->window, "");
    window_add(&f->window, &more);
    assert_unwritten(&f->window, "a0\n");
    assert_ptr_equal(window_take(&f->window, &more), &more);
}

/* Only there a control line may be written. */
static void it_is_between_lines_where_none_is_cut(void **state)
{
    struct fixture *f = *state;

    assert_true(window_is_between_lines(&f->window));
    window_wrote(&f->window, 2);
    assert_false(window_is_between_lines(&f->window));
    window_wrote(&f->window, 1);
    assert_true(window_is_between_lines(&f->window));
}

static void the_first_byte_of_a_line_to_come_is_a_line_that_is_cut(void **state)
{
    struct window window;

    (void)state;
    window_init(&window);
    window_sent_brace(&window);
    assert_false(window_is_between_lines(&window));
}

static void it_awaits_an_answer_from_the_first_byte_on(void **state)
{
    struct fixture *f = *state;

    assert_false(window_awaits_answer(&f->window));
    window_wrote(&f->window, 1);
    assert_true(window_awaits_answer(&f->window));
}

static void it_awaits_nothing_when_all_that_was_written_is_answered(void **state)
{
    struct fixture *f = *state;

    window_wrote(&f->window, 3);
    assert_true(window_awaits_answer(&f->window));
    (void)window_take(&f->window, f->jobs[0]);
    assert_false(window_awaits_answer(&f->window));
}

static void the_worker_has_begun_once_a_byte_is_missing_from_the_pipe(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(window_n_begun(&f->window, 0), 0);
    window_wrote(&f->window, 3 + 2); /* one line and a half */
    assert_int_equal(window_n_begun(&f->window, 5), 0);
    assert_int_equal(window_n_begun(&f->window, 4), 1);
}

static void the_next_has_not_begun_when_only_the_first_was_read_and_answered(void **state)
{
    struct fixture *f = *state;

    window_wrote(&f->window, 3 + 4);
    (void)window_take(&f->window, f->jobs[0]);
    assert_int_equal(window_n_begun(&f->window, 4), 0);
    assert_int_equal(window_n_begun(&f->window, 3), 1);
}

static void what_was_written_last_is_told_from_what_somebody_else_wrote(void **state)
{
    static const struct {
        const char *text;
        bool ours;
    } cases[] = {{"", true},           {"1x\n", true}, {"b1x\n", true},       {"a0\nb1x\n", true},
                 {"a0\nb1y\n", false}, {"zzz", false}, {"a0\nb1x\nzz", false}};
    struct fixture *f = *state;

    window_wrote(&f->window, 3 + 4);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(window_wrote_last(&f->window, cases[i].text, strlen(cases[i].text)),
                         cases[i].ours);
    window_wrote(&f->window, 2); /* the start of the third line */
    assert_true(window_wrote_last(&f->window, "x\nc2", 4));
    assert_false(window_wrote_last(&f->window, "x\nc3", 4));
    (void)window_take(&f->window, f->jobs[0]); /* of a line that was answered nothing is known */
    assert_true(window_wrote_last(&f->window, "?\nb1x\nc2", 8));
}

static void nobody_is_late_one_before_the_deadline(void **state)
{
    struct fixture *f = *state;
    struct job *late = NULL;

    f->jobs[2]->deadline_at_ms = NOW_MS + 1;
    assert_int_equal(window_late(&f->window, NOW_MS, TOMBSTONE_MS, &late), WINDOW_IN_TIME);
    assert_int_equal(f->window.soonest_ms, NOW_MS + 1);
    assert_null(late);
}

static void the_oldest_is_late_while_it_runs(void **state)
{
    struct fixture *f = *state;
    struct job *late = NULL;

    window_wrote(&f->window, 3);
    f->jobs[0]->deadline_at_ms = NOW_MS;
    assert_int_equal(window_late(&f->window, NOW_MS, TOMBSTONE_MS, &late), WINDOW_LATE_RUNNING);
    assert_int_equal(f->window.n, N_JOBS);
}

static void the_oldest_is_late_without_a_tombstone_when_nothing_of_it_was_written(void **state)
{
    struct fixture *f = *state;

    give_up(f, f->jobs[0]);
    assert_int_equal(f->window.n, N_JOBS - 1);
    assert_unwritten(&f->window, "b1x\nc2xx\nd3xxx\n");
}

static void a_late_job_behind_the_unsent_one_leaves_no_tombstone(void **state)
{
    struct fixture *f = *state;

    window_wrote(&f->window, 3 + 1);
    give_up(f, f->jobs[2]);
    assert_int_equal(f->window.n, N_JOBS - 1);
    assert_unwritten(&f->window, "1x\nd3xxx\n");
}

static void a_late_job_in_the_pipe_leaves_a_tombstone_that_takes_its_answer(void **state)
{
    struct fixture *f = *state;
    struct job *tombstone;

    window_wrote(&f->window, 3 + 4 + 5);
    give_up(f, f->jobs[1]);
    assert_int_equal(f->window.n, N_JOBS);
    assert_ptr_equal(window_take(&f->window, window_oldest(&f->window)), f->jobs[0]);
    tombstone = window_oldest(&f->window);
    assert_true(tombstone->tombstone);
    assert_null(window_take(&f->window, tombstone));
    assert_ptr_equal(window_oldest(&f->window), f->jobs[2]);
}

static void a_tombstone_counts_as_written_as_the_job_did(void **state)
{
    struct fixture *f = *state;

    window_wrote(&f->window, 3 + 4 + 5);
    give_up(f, f->jobs[1]);
    assert_int_equal(window_n_begun(&f->window, 12), 0);
    assert_int_equal(window_n_begun(&f->window, 11), 1);
}

static void a_tombstone_of_a_half_written_line_keeps_the_rest_of_its_bytes(void **state)
{
    struct fixture *f = *state;

    window_wrote(&f->window, 3 + 2);
    give_up(f, f->jobs[1]);
    assert_null(f->jobs[1]->line); /* the client's job may go; the line stays */
    assert_unwritten(&f->window, "x\nc2xx\nd3xxx\n");
    window_wrote(&f->window, 2);
    assert_ptr_equal(f->window.unsent, f->jobs[2]);
}

static void a_tombstone_of_a_half_written_line_keeps_the_memory_that_contains_the_line(void **state)
{
    struct fixture *f = *state;

    f->jobs[1]->block = f->jobs[1]->line;
    window_wrote(&f->window, 3 + 2);
    give_up(f, f->jobs[1]);
    assert_null(f->jobs[1]->block); /* else the memory would be freed with the job */
    assert_unwritten(&f->window, "x\nc2xx\nd3xxx\n");
}

static void a_tombstone_must_be_answered_within_a_time_that_begins_with_its_turn(void **state)
{
    struct fixture *f = *state;
    struct job *late = NULL;

    window_wrote(&f->window, 3 + 4);
    give_up(f, f->jobs[1]);
    (void)window_take(&f->window, f->jobs[0]);
    assert_true(f->window.soonest_ms <= NOW_MS); /* it is its turn: that asks for a look */
    assert_int_equal(window_late(&f->window, NOW_MS, TOMBSTONE_MS, &late), WINDOW_IN_TIME);
    assert_int_equal(window_late(&f->window, NOW_MS + TOMBSTONE_MS - 1, TOMBSTONE_MS, &late),
                     WINDOW_IN_TIME);
    assert_int_equal(window_late(&f->window, NOW_MS + TOMBSTONE_MS, TOMBSTONE_MS, &late),
                     WINDOW_LATE_RUNNING);
}

/* Else the owner, who comes back at the soonest moment, would come back at once, for ever. */
static void a_tombstone_past_its_time_behind_a_running_job_asks_for_no_look_at_once(void **state)
{
    struct fixture *f = *state;
    struct job *late = NULL;

    window_wrote(&f->window, 3 + 4);
    give_up(f, f->jobs[1]);
    assert_int_equal(window_late(&f->window, NOW_MS + TOMBSTONE_MS, TOMBSTONE_MS, &late),
                     WINDOW_IN_TIME);
    assert_true(f->window.soonest_ms > NOW_MS + TOMBSTONE_MS);
}

static void several_late_ones_come_out_oldest_first(void **state)
{
    struct fixture *f = *state;
    struct job *late = NULL;

    window_wrote(&f->window, 3 + 4 + 5);
    f->jobs[1]->deadline_at_ms = f->jobs[2]->deadline_at_ms = f->jobs[3]->deadline_at_ms = NOW_MS;
    for (unsigned i = 1; i < N_JOBS; i++) {
        assert_int_equal(window_late(&f->window, NOW_MS, TOMBSTONE_MS, &late), WINDOW_LATE_JOB);
        assert_ptr_equal(late, f->jobs[i]);
    }
    assert_int_equal(window_late(&f->window, NOW_MS, TOMBSTONE_MS, &late), WINDOW_IN_TIME);
    assert_int_equal(f->window.n,
                     1 + 2); /* the first, and two tombstones: the last was not written */
}

static void tombstones_are_dropped_and_jobs_stay(void **state)
{
    struct fixture *f = *state;

    window_wrote(&f->window, 3 + 4 + 5 + 6);
    give_up(f, f->jobs[1]);
    give_up(f, f->jobs[3]);
    window_drop_tombstones(&f->window);
    assert_int_equal(f->window.n, 2);
    assert_int_equal(f->window.n_tombstones, 0);
    (void)window_take(&f->window, f->jobs[0]);
    assert_ptr_equal(window_oldest(&f->window), f->jobs[2]);
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
    window_wrote(&f->window, 3);
    assert_int_equal(window_late(&f->window, NOW_MS, TOMBSTONE_MS, &late), WINDOW_IN_TIME);
    assert_int_equal(f->window.soonest_ms, NOW_MS + 10);
    assert_int_equal(window_late(&f->window, NOW_MS + 9, TOMBSTONE_MS, &late), WINDOW_IN_TIME);
    (void)window_take(&f->window, f->jobs[0]);
    assert_int_equal(f->window.soonest_ms, 0); /* the next look begins the second one's time */
    window_wrote(&f->window, 4);
    assert_int_equal(window_late(&f->window, NOW_MS + 9, TOMBSTONE_MS, &late), WINDOW_IN_TIME);
    assert_int_equal(f->window.soonest_ms, NOW_MS + 19);
    assert_int_equal(window_late(&f->window, NOW_MS + 18, TOMBSTONE_MS, &late), WINDOW_IN_TIME);
    assert_int_equal(window_late(&f->window, NOW_MS + 19, TOMBSTONE_MS, &late),
                     WINDOW_LATE_RUNNING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_window_has_nothing),
        FACT(lines_are_handed_out_in_order_and_within_the_bound),
        FACT(one_byte_before_the_end_of_a_line_leaves_that_byte),
        FACT(a_write_that_ends_with_a_line_goes_on_with_the_next),
        FACT(a_write_over_two_ends_goes_on_inside_the_third_line),
        FACT(writes_of_single_bytes_come_to_the_same),
        FACT(all_written_leaves_nothing_unsent_until_one_more_is_added),
        FACT(it_is_between_lines_where_none_is_cut),
        cmocka_unit_test(the_first_byte_of_a_line_to_come_is_a_line_that_is_cut),
        FACT(it_awaits_an_answer_from_the_first_byte_on),
        FACT(it_awaits_nothing_when_all_that_was_written_is_answered),
        FACT(the_worker_has_begun_once_a_byte_is_missing_from_the_pipe),
        FACT(the_next_has_not_begun_when_only_the_first_was_read_and_answered),
        FACT(what_was_written_last_is_told_from_what_somebody_else_wrote),
        FACT(lines_are_counted_anew_for_each_process),
        FACT(nobody_is_late_one_before_the_deadline),
        FACT(time_by_turn_begins_with_the_turn),
        FACT(the_oldest_is_late_while_it_runs),
        FACT(the_oldest_is_late_without_a_tombstone_when_nothing_of_it_was_written),
        FACT(a_late_job_behind_the_unsent_one_leaves_no_tombstone),
        FACT(a_late_job_in_the_pipe_leaves_a_tombstone_that_takes_its_answer),
        FACT(a_tombstone_counts_as_written_as_the_job_did),
        FACT(a_tombstone_of_a_half_written_line_keeps_the_rest_of_its_bytes),
        FACT(a_tombstone_of_a_half_written_line_keeps_the_memory_that_contains_the_line),
        FACT(a_tombstone_must_be_answered_within_a_time_that_begins_with_its_turn),
        FACT(a_tombstone_past_its_time_behind_a_running_job_asks_for_no_look_at_once),
        FACT(several_late_ones_come_out_oldest_first),
        FACT(tombstones_are_dropped_and_jobs_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

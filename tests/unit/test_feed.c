/* feed: how many lines a worker gets ahead, and when it is believed no more. */

#include "test.h"

#include "base/loop.h"
#include "worker/feed.h"

#define SILENT    16      /* activations before lines go ahead */
#define AHEAD_NS  1000000 /* work that is written ahead */
#define PIPELINE  64
#define AHEAD_MAX 32

/* A worker that announced `pipeline`, was silent long enough and works so fast. */
static struct feed feed_for(uint64_t work_ns)
{
    struct feed feed;

    feed_init(&feed, AHEAD_MAX, 0);
    feed.pipeline = PIPELINE;
    feed.n_silent = SILENT;
    feed.work_ns = work_ns;
    return feed;
}

static void answer_silently(struct feed *feed, unsigned n)
{
    feed_began(feed);
    feed_answered(feed, n, false, false);
}

static void a_new_worker_gets_one_line(void **state)
{
    struct feed feed;

    (void)state;
    feed_init(&feed, AHEAD_MAX, 0);
    assert_int_equal(feed_depth(&feed), 1);
    feed.pipeline = PIPELINE;
    assert_int_equal(feed_depth(&feed), 1);
}

static void fifteen_silent_activations_are_too_few_and_sixteen_enough(void **state)
{
    struct feed feed = feed_for(0);

    (void)state;
    feed.n_silent = 0;
    for (unsigned i = 0; i < SILENT - 1; i++)
        answer_silently(&feed, 1);
    feed.work_ns = 1;
    assert_int_equal(feed_depth(&feed), 1);
    answer_silently(&feed, 1);
    feed.work_ns = 1;
    assert_int_equal(feed_depth(&feed), AHEAD_MAX);
}

static void as_many_lines_go_ahead_as_make_a_millisecond_of_work(void **state)
{
    struct feed feed = feed_for(AHEAD_NS / 10);

    (void)state;
    assert_int_equal(feed_depth(&feed), 10);
    feed.work_ns = AHEAD_NS / 2;
    assert_int_equal(feed_depth(&feed), 2);
    feed.work_ns = AHEAD_NS / 2 + 1;
    assert_int_equal(feed_depth(&feed), 1);
}

static void slow_work_still_gets_one_line(void **state)
{
    struct feed feed = feed_for(AHEAD_NS + 1);

    (void)state;
    assert_int_equal(feed_depth(&feed), 1);
}

static void the_announcement_bounds_the_depth(void **state)
{
    struct feed feed = feed_for(1);

    (void)state;
    feed.pipeline = AHEAD_MAX - 1;
    assert_int_equal(feed_depth(&feed), AHEAD_MAX - 1);
    feed.pipeline = 1;
    assert_int_equal(feed_depth(&feed), 1);
    feed.pipeline = 0;
    assert_int_equal(feed_depth(&feed), 1);
}

static void the_setting_bounds_the_depth(void **state)
{
    struct feed feed = feed_for(1);

    (void)state;
    assert_int_equal(feed_depth(&feed), AHEAD_MAX);
    feed.ahead_max = 1;
    assert_int_equal(feed_depth(&feed), 1);
}

static void one_log_line_sends_the_depth_back_to_one(void **state)
{
    struct feed feed = feed_for(1);

    (void)state;
    feed_began(&feed);
    feed_answered(&feed, 1, false, true);
    feed.work_ns = 1;
    assert_int_equal(feed_depth(&feed), 1);
    answer_silently(&feed, SILENT - 1);
    feed.work_ns = 1;
    assert_int_equal(feed_depth(&feed), 1);
    answer_silently(&feed, 1);
    feed.work_ns = 1;
    assert_int_equal(feed_depth(&feed), AHEAD_MAX);
}

static void answers_of_one_read_share_the_time_that_passed(void **state)
{
    struct feed one = feed_for(0);
    struct feed many = feed_for(0);

    (void)state;
    one.busy_at_ns = many.busy_at_ns = loop_clock_ns() - UINT64_C(1000000000000);
    feed_answered(&one, 1, false, false);
    feed_answered(&many, 10, false, false);
    assert_true(one.work_ns >= UINT64_C(1000000000000));
    assert_true(many.work_ns >= UINT64_C(100000000000));
    assert_true(many.work_ns < one.work_ns / 2);
}

static void the_clock_runs_on_only_while_lines_are_left(void **state)
{
    struct feed feed = feed_for(0);
    uint64_t began_ns;

    (void)state;
    feed_began(&feed);
    began_ns = feed.busy_at_ns;
    feed_began(&feed); /* more lines to a busy worker start nothing anew */
    assert_int_equal(feed.busy_at_ns, began_ns);
    feed_answered(&feed, 1, true, false);
    assert_true(feed.busy_at_ns >= began_ns);
    feed_answered(&feed, 1, false, false);
    assert_int_equal(feed.busy_at_ns, 0);
}

static void an_unasked_answer_ends_the_trust_once(void **state)
{
    struct feed feed = feed_for(1);

    (void)state;
    assert_true(feed_distrust(&feed));
    assert_int_equal(feed_depth(&feed), 1);
    assert_false(feed_distrust(&feed));
}

static void the_next_process_is_distrusted_too_but_measured_anew(void **state)
{
    struct feed feed = feed_for(1);

    (void)state;
    assert_true(feed_distrust(&feed));
    feed_open(&feed);
    assert_true(feed.distrusted);
    assert_int_equal(feed.ahead_max, AHEAD_MAX);
    assert_int_equal(feed.pipeline, 0);
    assert_int_equal(feed.work_ns, 0);
    assert_int_equal(feed.n_silent, 0);
}

static void what_is_vouched_for_holds_until_the_process_announces_something_else(void **state)
{
    struct feed feed;

    (void)state;
    feed_init(&feed, AHEAD_MAX, 8);
    assert_false(feed_takes_care(&feed));
    answer_silently(&feed, SILENT);
    feed.work_ns = 1;
    assert_int_equal(feed_depth(&feed), 8);
    feed_announced(&feed, 0, 0);
    assert_int_equal(feed_depth(&feed), 8);
    feed_announced(&feed, 4, 0);
    assert_int_equal(feed_depth(&feed), 4);
    feed_open(&feed);
    assert_int_equal(feed.pipeline, 8);
}

static void one_that_answered_unasked_gets_its_lines_with_care_for_ever(void **state)
{
    struct feed feed = feed_for(1);

    (void)state;
    assert_false(feed_takes_care(&feed));
    assert_true(feed_distrust(&feed));
    answer_silently(&feed, FEED_PROVEN);
    assert_true(feed_takes_care(&feed));
    feed_open(&feed);
    assert_true(feed_takes_care(&feed));
}

static void a_new_process_gets_its_lines_with_care_until_it_is_proven(void **state)
{
    struct feed feed;

    (void)state;
    feed_init(&feed, AHEAD_MAX, 0);
    answer_silently(&feed, FEED_PROVEN - 1);
    assert_true(feed_takes_care(&feed));
    answer_silently(&feed, 1);
    assert_false(feed_takes_care(&feed));
    feed_open(&feed);
    assert_true(feed_takes_care(&feed));
}

static void one_that_does_several_at_a_time_gets_as_many_whatever_it_logs(void **state)
{
    struct feed feed = feed_for(AHEAD_NS);

    (void)state;
    feed.ahead_max = 1;
    feed.n_silent = 0;
    feed.concurrent = 200;
    assert_int_equal(feed_depth(&feed), 200);
}

static void numbers_need_no_trust(void **state)
{
    struct feed feed = feed_for(0);

    (void)state;
    feed.concurrent = 200;
    assert_false(feed_distrust(&feed));
    assert_false(feed_takes_care(&feed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_worker_gets_one_line),
        cmocka_unit_test(fifteen_silent_activations_are_too_few_and_sixteen_enough),
        cmocka_unit_test(as_many_lines_go_ahead_as_make_a_millisecond_of_work),
        cmocka_unit_test(slow_work_still_gets_one_line),
        cmocka_unit_test(the_announcement_bounds_the_depth),
        cmocka_unit_test(the_setting_bounds_the_depth),
        cmocka_unit_test(one_log_line_sends_the_depth_back_to_one),
        cmocka_unit_test(answers_of_one_read_share_the_time_that_passed),
        cmocka_unit_test(the_clock_runs_on_only_while_lines_are_left),
        cmocka_unit_test(an_unasked_answer_ends_the_trust_once),
        cmocka_unit_test(the_next_process_is_distrusted_too_but_measured_anew),
        cmocka_unit_test(what_is_vouched_for_holds_until_the_process_announces_something_else),
        cmocka_unit_test(one_that_answered_unasked_gets_its_lines_with_care_for_ever),
        cmocka_unit_test(a_new_process_gets_its_lines_with_care_until_it_is_proven),
        cmocka_unit_test(one_that_does_several_at_a_time_gets_as_many_whatever_it_logs),
        cmocka_unit_test(numbers_need_no_trust),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* feed: how many lines a worker gets ahead, and when it is believed no more. */

#include "test.h"

#include "base/loop.h"
#include "worker/pacing.h"

#define SILENT    16   /* activations before lines go ahead */
#define QUICK     4096 /* quick activations before a worker gets several jobs while others idle */
#define AHEAD_NS  1000000 /* work that is written ahead */
#define PIPELINE  64
#define AHEAD_MAX 32

/* A worker that announced `pipeline`, was silent long enough and works so fast. */
static struct pacing feed_for(uint64_t work_ns)
{
    struct pacing pacing = {0};

    pacing_open(&pacing, AHEAD_MAX, 0);
    pacing.pipeline = PIPELINE;
    pacing.n_silent = SILENT;
    pacing.work_ns = pacing.least_ns = work_ns;
    return pacing;
}

static void answer_silently(struct pacing *pacing, unsigned n)
{
    pacing_began(pacing);
    pacing_answered(pacing, n, false, false);
}

static void a_new_worker_gets_one_line(void **state)
{
    struct pacing pacing = {0};

    (void)state;
    pacing_open(&pacing, AHEAD_MAX, 0);
    assert_int_equal(pacing_depth(&pacing), 1);
    pacing.pipeline = PIPELINE;
    assert_int_equal(pacing_depth(&pacing), 1);
}

static void fifteen_silent_activations_are_too_few_and_sixteen_enough(void **state)
{
    struct pacing pacing = feed_for(0);

    (void)state;
    pacing.n_silent = 0;
    for (unsigned i = 0; i < SILENT - 1; i++)
        answer_silently(&pacing, 1);
    pacing.work_ns = 1;
    assert_int_equal(pacing_depth(&pacing), 1);
    answer_silently(&pacing, 1);
    pacing.work_ns = 1;
    assert_int_equal(pacing_depth(&pacing), AHEAD_MAX);
}

static void as_many_lines_go_ahead_as_make_a_millisecond_of_work(void **state)
{
    struct pacing pacing = feed_for(AHEAD_NS / 10);

    (void)state;
    assert_int_equal(pacing_depth(&pacing), 10);
    pacing.work_ns = AHEAD_NS / 2;
    assert_int_equal(pacing_depth(&pacing), 2);
    pacing.work_ns = AHEAD_NS / 2 + 1;
    assert_int_equal(pacing_depth(&pacing), 1);
}

static void slow_work_still_gets_one_line(void **state)
{
    struct pacing pacing = feed_for(AHEAD_NS + 1);

    (void)state;
    assert_int_equal(pacing_depth(&pacing), 1);
}

static void the_announcement_bounds_the_depth(void **state)
{
    struct pacing pacing = feed_for(1);

    (void)state;
    pacing.pipeline = AHEAD_MAX - 1;
    assert_int_equal(pacing_depth(&pacing), AHEAD_MAX - 1);
    pacing.pipeline = 1;
    assert_int_equal(pacing_depth(&pacing), 1);
    pacing.pipeline = 0;
    assert_int_equal(pacing_depth(&pacing), 1);
}

static void the_setting_bounds_the_depth(void **state)
{
    struct pacing pacing = feed_for(1);

    (void)state;
    assert_int_equal(pacing_depth(&pacing), AHEAD_MAX);
    pacing.ahead_max = 1;
    assert_int_equal(pacing_depth(&pacing), 1);
}

static void light_work_goes_in_batches_of_some_100_us(void **state)
{
    struct pacing pacing = feed_for(1);

    (void)state;
    assert_int_equal(pacing_batch(&pacing), AHEAD_MAX);
    pacing.work_ns = 100000;
    assert_int_equal(pacing_batch(&pacing), 2);
    pacing.work_ns = 100001;
    assert_int_equal(pacing_batch(&pacing), 1);
    pacing.work_ns = 0; /* not known */
    assert_int_equal(pacing_batch(&pacing), 1);
    pacing.work_ns = 1;
    pacing.pipeline = 0;
    assert_int_equal(pacing_batch(&pacing), 1);
}

static void work_is_light_up_to_50_us_if_lines_go_ahead(void **state)
{
    struct pacing pacing = feed_for(50000);

    (void)state;
    assert_true(pacing_is_light(&pacing));
    pacing.work_ns = 90000; /* it waits for a processor at times */
    assert_true(pacing_is_light(&pacing));
    pacing.least_ns = 50001;
    assert_false(pacing_is_light(&pacing));
    pacing.least_ns = pacing.work_ns = 0; /* not known */
    assert_false(pacing_is_light(&pacing));
    pacing.least_ns = pacing.work_ns = 1;
    pacing.n_silent = 0; /* it logs: one line at a time */
    assert_false(pacing_is_light(&pacing));
    pacing.n_silent = SILENT;
    pacing.concurrent = 8;
    assert_false(pacing_is_light(&pacing));
}

static void light_work_is_soon_done_up_to_200_us(void **state)
{
    struct pacing pacing = feed_for(20000);

    (void)state;
    pacing.n_quick = QUICK;
    assert_true(pacing_is_soon_done(&pacing, 0));
    assert_true(pacing_is_soon_done(&pacing, 9));
    assert_false(pacing_is_soon_done(&pacing, 10));
    pacing.n_quick = QUICK - 1; /* another activation may take long, and hold up those behind it */
    assert_false(pacing_is_soon_done(&pacing, 0));
    pacing.n_quick = QUICK;
    pacing.work_ns = pacing.least_ns = 60000; /* not light */
    assert_false(pacing_is_soon_done(&pacing, 0));
}

static void a_long_activation_among_quick_ones_is_noticed(void **state)
{
    struct pacing pacing = feed_for(1000);

    (void)state;
    pacing.n_quick = QUICK;
    answer_silently(&pacing, 10);
    assert_int_equal(pacing.n_quick, QUICK + 10);
    pacing.busy_at_ns = loop_clock_ns() - UINT64_C(10000000);
    pacing_answered(&pacing, 60, false, false); /* less than a millisecond each, all in all */
    assert_int_equal(pacing.n_quick, 0);
}

static void one_that_is_long_at_one_activation_is_stalled(void **state)
{
    struct pacing pacing = feed_for(1);
    uint64_t began_at_ns = 1000000000;

    (void)state;
    pacing.busy_at_ns = 0; /* has nothing */
    assert_false(pacing_is_stalled(&pacing, began_at_ns));
    pacing.busy_at_ns = began_at_ns;
    assert_false(pacing_is_stalled(&pacing, began_at_ns - 1)); /* the clock was read before */
    assert_false(pacing_is_stalled(&pacing, began_at_ns + 1000000));
    assert_true(pacing_is_stalled(&pacing, began_at_ns + 1000001));
    pacing.work_ns = 1000000;
    assert_false(pacing_is_stalled(&pacing, began_at_ns + 8000000));
    assert_true(pacing_is_stalled(&pacing, began_at_ns + 8000001));
}

static void one_log_line_sends_the_depth_back_to_one(void **state)
{
    struct pacing pacing = feed_for(1);

    (void)state;
    pacing_began(&pacing);
    pacing_answered(&pacing, 1, false, true);
    pacing.work_ns = 1;
    assert_int_equal(pacing_depth(&pacing), 1);
    answer_silently(&pacing, SILENT - 1);
    pacing.work_ns = 1;
    assert_int_equal(pacing_depth(&pacing), 1);
    answer_silently(&pacing, 1);
    pacing.work_ns = 1;
    assert_int_equal(pacing_depth(&pacing), AHEAD_MAX);
}

static void answers_of_one_read_share_the_time_that_passed(void **state)
{
    struct pacing one = feed_for(0);
    struct pacing many = feed_for(0);

    (void)state;
    one.busy_at_ns = many.busy_at_ns = loop_clock_ns() - UINT64_C(1000000000000);
    pacing_answered(&one, 1, false, false);
    pacing_answered(&many, 10, false, false);
    assert_true(one.work_ns >= UINT64_C(1000000000000));
    assert_true(many.work_ns >= UINT64_C(100000000000));
    assert_true(many.work_ns < one.work_ns / 2);
}

static void the_clock_runs_on_only_while_lines_are_left(void **state)
{
    struct pacing pacing = feed_for(0);
    uint64_t began_ns;

    (void)state;
    pacing_began(&pacing);
    began_ns = pacing.busy_at_ns;
    pacing_began(&pacing); /* more lines to a busy worker start nothing anew */
    assert_int_equal(pacing.busy_at_ns, began_ns);
    pacing_answered(&pacing, 1, true, false);
    assert_true(pacing.busy_at_ns >= began_ns);
    pacing_answered(&pacing, 1, false, false);
    assert_int_equal(pacing.busy_at_ns, 0);
}

static void an_unasked_answer_ends_the_trust_once(void **state)
{
    struct pacing pacing = feed_for(1);

    (void)state;
    assert_true(pacing_distrust(&pacing));
    assert_int_equal(pacing_depth(&pacing), 1);
    assert_false(pacing_distrust(&pacing));
}

static void the_next_process_is_distrusted_too_but_measured_anew(void **state)
{
    struct pacing pacing = feed_for(1);

    (void)state;
    assert_true(pacing_distrust(&pacing));
    pacing_open(&pacing, AHEAD_MAX, 0);
    assert_true(pacing.distrusted);
    assert_int_equal(pacing.pipeline, 0);
    assert_int_equal(pacing.work_ns, 0);
    assert_int_equal(pacing.n_silent, 0);
}

static void what_is_vouched_for_holds_until_the_process_announces_something_else(void **state)
{
    struct pacing pacing = {0};

    (void)state;
    pacing_open(&pacing, AHEAD_MAX, 8);
    assert_false(pacing_takes_care(&pacing));
    answer_silently(&pacing, SILENT);
    pacing.work_ns = 1;
    assert_int_equal(pacing_depth(&pacing), 8);
    pacing_announced(&pacing, 0, 0);
    assert_int_equal(pacing_depth(&pacing), 8);
    pacing_announced(&pacing, 4, 0);
    assert_int_equal(pacing_depth(&pacing), 4);
    pacing_open(&pacing, AHEAD_MAX, 8);
    assert_int_equal(pacing.pipeline, 8);
}

static void one_that_answered_unasked_gets_its_lines_with_care_for_ever(void **state)
{
    struct pacing pacing = feed_for(1);

    (void)state;
    assert_false(pacing_takes_care(&pacing));
    assert_true(pacing_distrust(&pacing));
    answer_silently(&pacing, 1000);
    assert_true(pacing_takes_care(&pacing));
    pacing_open(&pacing, AHEAD_MAX, 0);
    assert_true(pacing_takes_care(&pacing));
}

static void one_that_announced_nothing_gets_its_lines_with_care(void **state)
{
    struct pacing pacing = {0};

    (void)state;
    pacing_open(&pacing, AHEAD_MAX, 0);
    assert_true(pacing_takes_care(&pacing));
    answer_silently(&pacing, 10000);
    assert_true(pacing_takes_care(&pacing));
    pacing_announced(&pacing, 4, 0);
    assert_false(pacing_takes_care(&pacing));
}

static void one_that_does_several_at_a_time_gets_as_many_whatever_it_logs(void **state)
{
    struct pacing pacing = feed_for(AHEAD_NS);

    (void)state;
    pacing.ahead_max = 1;
    pacing.n_silent = 0;
    pacing.concurrent = 200;
    assert_int_equal(pacing_depth(&pacing), 200);
}

static void numbers_need_no_trust(void **state)
{
    struct pacing pacing = feed_for(0);

    (void)state;
    pacing.concurrent = 200;
    assert_false(pacing_distrust(&pacing));
    assert_false(pacing_takes_care(&pacing));
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
        cmocka_unit_test(light_work_goes_in_batches_of_some_100_us),
        cmocka_unit_test(work_is_light_up_to_50_us_if_lines_go_ahead),
        cmocka_unit_test(light_work_is_soon_done_up_to_200_us),
        cmocka_unit_test(a_long_activation_among_quick_ones_is_noticed),
        cmocka_unit_test(one_that_is_long_at_one_activation_is_stalled),
        cmocka_unit_test(one_log_line_sends_the_depth_back_to_one),
        cmocka_unit_test(answers_of_one_read_share_the_time_that_passed),
        cmocka_unit_test(the_clock_runs_on_only_while_lines_are_left),
        cmocka_unit_test(an_unasked_answer_ends_the_trust_once),
        cmocka_unit_test(the_next_process_is_distrusted_too_but_measured_anew),
        cmocka_unit_test(what_is_vouched_for_holds_until_the_process_announces_something_else),
        cmocka_unit_test(one_that_answered_unasked_gets_its_lines_with_care_for_ever),
        cmocka_unit_test(one_that_announced_nothing_gets_its_lines_with_care),
        cmocka_unit_test(one_that_does_several_at_a_time_gets_as_many_whatever_it_logs),
        cmocka_unit_test(numbers_need_no_trust),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

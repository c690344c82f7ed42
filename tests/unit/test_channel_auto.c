/* Which descriptor carries the answers when nobody said so, and what is left at the end. */

#include "test.h"

#include "channel_fixture.h"
#include "worker/ready.h"

/* ---- auto: one of the two is chosen ---- */

static void an_answer_on_descriptor_3_chooses_it(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_AUTO);
    give(f, "in\n");
    say(f, 3, "{\"a\":1}\n");
    assert_hears(f, WANT_ANSWER, "{\"a\":1}");
    assert_int_equal(f->channel.answers, ANSWERS_FD3);
}

static void an_answer_on_descriptor_1_chooses_it(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_AUTO);
    give(f, "in\n");
    say(f, 1, "{\"a\":1}\n");
    assert_hears(f, WANT_ANSWER, "{\"a\":1}");
    assert_int_equal(f->channel.answers, ANSWERS_STDOUT);
}

static void descriptor_3_wins_when_both_carry_an_answer(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_AUTO);
    give(f, "in\n");
    say(f, 1, "{\"one\":1}\n");
    say(f, 3, "{\"three\":3}\n");
    assert_hears(f, WANT_ANSWER, "{\"three\":3}");
    assert_int_equal(f->channel.answers, ANSWERS_FD3);
    channel_settle_logs(&f->channel);
    assert_captured(&f->out, "{\"one\":1}\n");
}

static void descriptor_3_wins_when_it_comes_after_the_read(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_AUTO);
    give(f, "in\n");
    say(f, 1, "before\n{\"one\":1}\nafter\nrest");
    (void)channel_pull(&f->channel);
    say(f, 3, "{\"three\":3}\n");
    {
        const char *text;
        size_t n;

        assert_int_equal(channel_next(&f->channel, WANT_ANSWER, &text, &n), CHANNEL_LINE);
        assert_memory_equal(text, "{\"three\":3}", n);
    }
    channel_settle_logs(&f->channel);
    assert_captured(&f->out, "before\n{\"one\":1}\nafter\nrest\n");
}

static void log_lines_choose_nothing(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_AUTO);
    give(f, "in\n");
    say(f, 1, "hello\n");
    assert_hears_nothing(f, WANT_ANSWER);
    assert_int_equal(f->channel.answers, ANSWERS_AUTO);
    assert_captured(&f->out, "hello\n");
}

static void json_logs_before_the_first_line_choose_nothing(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_AUTO);
    say(f, 1, "{\"level\":\"info\"}\n");
    assert_hears_nothing(f, WANT_NOTHING);
    assert_int_equal(f->channel.answers, ANSWERS_AUTO);
    assert_captured(&f->out, "{\"level\":\"info\"}\n");
}

static void a_blank_line_on_descriptor_3_chooses_it(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_AUTO);
    give(f, "in\n");
    say(f, 3, "\n");
    say(f, 1, "{\"a\":1}\n");
    assert_hears(f, WANT_ANSWER, "");
    assert_int_equal(f->channel.answers, ANSWERS_FD3);
}

/* Whatever the timing: it is known where the answers come only when the process is back at its
 * input. */
static void json_on_descriptor_1_is_held_until_the_process_is_back_at_its_input(void **state)
{
    struct fixture *f = *state;
    const char *text;
    size_t n;

    channel_start(f, ANSWERS_AUTO);
    give(f, "in\n");
    say(f, 1, "{\"log\":1}\n{\"log\":2}\n");
    (void)channel_pull(&f->channel);
    assert_int_equal(channel_next(&f->channel, WANT_ANSWER, &text, &n), CHANNEL_NONE);
    assert_true(channel_is_undecided(&f->channel));
    say(f, 3, "{\"a\":1}\n");
    assert_hears(f, WANT_ANSWER, "{\"a\":1}");
    assert_int_equal(f->channel.answers, ANSWERS_FD3);
    channel_settle_logs(&f->channel);
    assert_captured(&f->out, "{\"log\":1}\n{\"log\":2}\n");
}

static void an_announcement_chooses_its_descriptor(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_AUTO);
    say(f, 1, "{\"ok\":true,\"pipeline\":8}\n");
    assert_hears(f, WANT_NOTHING, "{\"ok\":true,\"pipeline\":8}");
    channel_announced(&f->channel, &(struct ready){.pipeline = 8});
    assert_int_equal(f->channel.answers, ANSWERS_STDOUT);
}

static void a_ready_line_that_announces_nothing_chooses_none(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_AUTO);
    say(f, 1, "{\"ok\":true,\"msg\":\"connected\"}\n");
    assert_hears(f, WANT_NOTHING, "{\"ok\":true,\"msg\":\"connected\"}");
    channel_announced(&f->channel, &(struct ready){0});
    give(f, "in\n");
    say(f, 3, "{\"a\":1}\n");
    assert_hears(f, WANT_ANSWER, "{\"a\":1}");
    assert_int_equal(f->channel.answers, ANSWERS_FD3);
}

/* An answer on 1 was guessed. */
static void guess_descriptor_1(struct fixture *f)
{
    channel_start(f, ANSWERS_AUTO);
    f->guesses = true;
    give(f, "in\n");
    say(f, 1, "{\"log\":1}\n");
    assert_hears(f, WANT_ANSWER, "{\"log\":1}");
    assert_int_equal(channel_answers(&f->channel), ANSWERS_AUTO);
}

static void an_answer_on_descriptor_3_overrules_a_guess(void **state)
{
    struct fixture *f = *state;

    guess_descriptor_1(f);
    say(f, 3, "{\"late\":1}\n");
    assert_hears_nothing(f, WANT_NOTHING);
    assert_int_equal(channel_answers(&f->channel), ANSWERS_FD3);
    give(f, "in\n");
    say(f, 1, "{\"log\":2}\n");
    say(f, 3, "{\"a\":2}\n");
    assert_hears(f, WANT_ANSWER, "{\"a\":2}");
    channel_settle_logs(&f->channel);
    assert_captured(&f->out, "{\"log\":2}\n");
}

/* Its client has a line of descriptor 1. */
static void a_late_answer_after_a_wrong_guess_is_not_that_of_the_next(void **state)
{
    struct fixture *f = *state;

    guess_descriptor_1(f);
    give(f, "in\n");
    say(f, 3, "{\"late\":1}\n");
    assert_hears_nothing(f, WANT_ANSWER);
    say(f, 3, "{\"a\":2}\n");
    assert_hears(f, WANT_ANSWER, "{\"a\":2}");
}

static void text_on_descriptor_3_confirms_a_guess(void **state)
{
    struct fixture *f = *state;

    guess_descriptor_1(f);
    say(f, 3, "text\n");
    assert_hears_nothing(f, WANT_NOTHING);
    assert_int_equal(channel_answers(&f->channel), ANSWERS_STDOUT);
    give(f, "in\n");
    say(f, 3, "{\"log\":1}\n");
    say(f, 1, "{\"a\":2}\n");
    assert_hears(f, WANT_ANSWER, "{\"a\":2}");
    channel_settle_logs(&f->channel);
    assert_captured(&f->out, "text\n{\"log\":1}\n");
}

static void json_on_descriptor_1_is_log_once_3_was_chosen(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_AUTO);
    give(f, "in\n");
    say(f, 3, "{\"a\":1}\n");
    assert_hears(f, WANT_ANSWER, "{\"a\":1}");
    say(f, 1, "{\"log\":1}\n");
    assert_hears_nothing(f, WANT_ANSWER);
    channel_settle_logs(&f->channel);
    assert_captured(&f->out, "{\"log\":1}\n");
}

static void json_on_descriptor_3_is_log_once_1_was_chosen(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_AUTO);
    give(f, "in\n");
    say(f, 1, "{\"a\":1}\n");
    assert_hears(f, WANT_ANSWER, "{\"a\":1}");
    say(f, 3, "{\"log\":1}\n");
    assert_hears_nothing(f, WANT_ANSWER);
    channel_settle_logs(&f->channel);
    assert_captured(&f->out, "{\"log\":1}\n");
}

static void a_started_line_on_descriptor_3_is_log_once_1_was_chosen(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_AUTO);
    give(f, "in\n");
    say(f, 3, "sta");
    say(f, 1, "{\"a\":1}\n");
    assert_hears(f, WANT_ANSWER, "{\"a\":1}");
    say(f, 3, "rted\n");
    channel_settle_logs(&f->channel);
    assert_captured(&f->out, "started\n");
}

static void an_answer_too_long_chooses_descriptor_1(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_AUTO);
    give(f, "in\n");
    say_long(f, 1, "{", ANSWER_MAX_BYTES, "}\n");
    assert_hears_too_long(f, WANT_ANSWER);
    assert_int_equal(f->channel.answers, ANSWERS_STDOUT);
}

static void the_next_process_is_chosen_for_anew(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_AUTO);
    give(f, "in\n");
    say(f, 1, "{\"a\":1}\n");
    assert_hears(f, WANT_ANSWER, "{\"a\":1}");
    channel_close(&f->channel);
    for (int i = 0; i < 4; i++)
        fd_close(&f->theirs[i]);
    channel_start(f, ANSWERS_AUTO);
    give(f, "in\n");
    say(f, 3, "{\"a\":2}\n");
    assert_hears(f, WANT_ANSWER, "{\"a\":2}");
}

static void what_a_process_left_unfinished_is_no_part_of_the_next_ones_answer(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_FD3);
    give(f, "in\n");
    say(f, 3, "{\"half");
    assert_hears_nothing(f, WANT_ANSWER);
    channel_close(&f->channel);
    for (int i = 0; i < 4; i++)
        fd_close(&f->theirs[i]);
    channel_start(f, ANSWERS_FD3);
    give(f, "in\n");
    say(f, 3, "{\"a\":2}\n");
    assert_hears(f, WANT_ANSWER, "{\"a\":2}");
}

/* ---- what the loop tells ---- */

static bool was_told(void *subject)
{
    return ((struct fixture *)subject)->n_readable > 0;
}

static void the_owner_is_told_of_both_descriptors(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_AUTO);
    say(f, 1, "x");
    loop_until(f->loop, was_told, f);
    f->n_readable = 0;
    say(f, 3, "x");
    loop_until(f->loop, was_told, f);
}

/* ---- ends ---- */

static void closed_answers_end_the_channel(void **state)
{
    static const struct {
        enum answers answers;
        bool ends_with_1;
        bool ends_with_3;
    } cases[] = {
        {ANSWERS_FD3, false, true}, {ANSWERS_STDOUT, true, false}, {ANSWERS_AUTO, false, false}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (int fd = 1; fd <= 3; fd += 2) {
            struct fixture *f;

            (void)set_up((void **)&f);
            channel_start(f, cases[i].answers);
            fd_close(&f->theirs[fd]);
            (void)channel_pull(&f->channel);
            assert_int_equal(channel_ended(&f->channel),
                             fd == 1 ? cases[i].ends_with_1 : cases[i].ends_with_3);
            (void)tear_down((void **)&f);
        }
    (void)state;
}

static void both_ends_are_the_end_in_auto_mode(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_AUTO);
    fd_close(&f->theirs[1]);
    fd_close(&f->theirs[3]);
    (void)channel_pull(&f->channel);
    assert_true(channel_ended(&f->channel));
}

static void a_whole_line_is_delivered_after_the_end(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_FD3);
    give(f, "in\n");
    say(f, 3, "{\"a\":1}\n");
    fd_close(&f->theirs[3]);
    assert_hears(f, WANT_ANSWER, "{\"a\":1}");
}

static void an_unfinished_last_line_counts_when_it_is_an_answer(void **state)
{
    static const struct {
        enum answers answers;
        int fd;
        const char *said;
        enum channel_result wanted;
    } cases[] = {
        {ANSWERS_FD3, 3, "{\"a\":1}", CHANNEL_LINE},   {ANSWERS_FD3, 3, "{\"a\":1", CHANNEL_NONE},
        {ANSWERS_STDOUT, 1, "[1]", CHANNEL_LINE},      {ANSWERS_STDOUT, 1, "bye", CHANNEL_NONE},
        {ANSWERS_AUTO, 1, "{\"a\":1}", CHANNEL_LINE},  {ANSWERS_AUTO, 3, "{\"a\":1}", CHANNEL_LINE},
        {ANSWERS_STDOUT, 1, "{\"a\":1", CHANNEL_NONE}, {ANSWERS_FD3, 3, "7", CHANNEL_NONE},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f;
        const char *text;
        size_t n;

        (void)set_up((void **)&f);
        channel_start(f, cases[i].answers);
        give(f, "in\n");
        say(f, cases[i].fd, cases[i].said);
        fd_close(&f->theirs[cases[i].fd]);
        assert_hears_nothing(f, WANT_ANSWER);
        assert_int_equal(channel_rest(&f->channel, &text, &n), cases[i].wanted);
        if (cases[i].wanted == CHANNEL_LINE)
            assert_memory_equal(text, cases[i].said, n);
        (void)tear_down((void **)&f);
    }
    (void)state;
}

static void an_unfinished_answer_is_no_log_line(void **state)
{
    struct fixture *f = *state;
    const char *text;
    size_t n;

    channel_start(f, ANSWERS_STDOUT);
    give(f, "in\n");
    say(f, 1, "{\"a\":1}");
    assert_hears_nothing(f, WANT_ANSWER);
    assert_int_equal(channel_rest(&f->channel, &text, &n), CHANNEL_LINE);
    channel_close(&f->channel);
    assert_captured(&f->out, "");
}

static void an_unfinished_last_log_line_is_forwarded_when_it_closes(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_STDOUT);
    give(f, "in\n");
    say(f, 1, "last words");
    assert_hears_nothing(f, WANT_ANSWER);
    channel_close(&f->channel);
    assert_captured(&f->out, "last words\n");
}

static void an_unfinished_last_log_line_is_forwarded_after_the_end_of_the_stream(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_STDOUT);
    give(f, "in\n");
    say(f, 1, "last words");
    fd_close(&f->theirs[1]);
    while (channel_pull(&f->channel)) {
    }
    channel_close(&f->channel);
    assert_captured(&f->out, "last words\n");
}

static void settling_ends_lines_on_both_logs(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_FD3);
    say(f, 1, "out");
    say(f, 2, "err");
    channel_settle_logs(&f->channel);
    assert_captured(&f->out, "out\n");
    assert_captured(&f->err, "err\n");
}

static void closing_forwards_the_last_log_bytes(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_FD3);
    say(f, 1, "out");
    say(f, 2, "err");
    channel_close(&f->channel);
    assert_captured(&f->out, "out\n");
    assert_captured(&f->err, "err\n");
}

static void closing_twice_is_harmless(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_AUTO);
    channel_close(&f->channel);
    channel_close(&f->channel);
    assert_true(channel_ended(&f->channel));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(an_answer_on_descriptor_3_chooses_it),
        TEST(an_answer_on_descriptor_1_chooses_it),
        TEST(descriptor_3_wins_when_both_carry_an_answer),
        TEST(descriptor_3_wins_when_it_comes_after_the_read),
        TEST(log_lines_choose_nothing),
        TEST(json_logs_before_the_first_line_choose_nothing),
        TEST(a_blank_line_on_descriptor_3_chooses_it),
        TEST(json_on_descriptor_1_is_held_until_the_process_is_back_at_its_input),
        TEST(an_announcement_chooses_its_descriptor),
        TEST(a_ready_line_that_announces_nothing_chooses_none),
        TEST(an_answer_on_descriptor_3_overrules_a_guess),
        TEST(a_late_answer_after_a_wrong_guess_is_not_that_of_the_next),
        TEST(text_on_descriptor_3_confirms_a_guess),
        TEST(json_on_descriptor_1_is_log_once_3_was_chosen),
        TEST(json_on_descriptor_3_is_log_once_1_was_chosen),
        TEST(a_started_line_on_descriptor_3_is_log_once_1_was_chosen),
        TEST(an_answer_too_long_chooses_descriptor_1),
        TEST(the_next_process_is_chosen_for_anew),
        TEST(what_a_process_left_unfinished_is_no_part_of_the_next_ones_answer),
        TEST(the_owner_is_told_of_both_descriptors),
        TEST(closed_answers_end_the_channel),
        TEST(both_ends_are_the_end_in_auto_mode),
        TEST(a_whole_line_is_delivered_after_the_end),
        TEST(an_unfinished_last_line_counts_when_it_is_an_answer),
        TEST(an_unfinished_answer_is_no_log_line),
        TEST(an_unfinished_last_log_line_is_forwarded_when_it_closes),
        TEST(an_unfinished_last_log_line_is_forwarded_after_the_end_of_the_stream),
        TEST(settling_ends_lines_on_both_logs),
        TEST(closing_forwards_the_last_log_bytes),
        TEST(closing_twice_is_harmless),
    };

    return cmocka_run_group_tests_name("channel_auto", tests, NULL, NULL);
}

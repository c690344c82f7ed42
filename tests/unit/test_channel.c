/* Which bytes of a worker are an answer, which are log lines, and which nobody wants. */

#include "test.h"

#include <errno.h>

#include "channel_fixture.h"

#define PASS_BYTES 65536 /* a long log line goes on in pieces; see PASS_BYTES in channel.c */

/* ---- lines in ---- */

static void lines_reach_the_worker_in_one_write(void **state)
{
    struct fixture *f = *state;
    char one[] = "one\n";
    char two[] = "two\n";
    struct iovec lines[] = {{one, 4}, {two, 4}};
    char text[9] = "";

    channel_start(f, ANSWERS_FD3);
    assert_int_equal(stdin_pipe_write(&f->channel.in, lines, 2), 8);
    assert_int_equal(read(f->theirs[0], text, 8), 8);
    assert_string_equal(text, "one\ntwo\n");
}

static void a_full_pipe_takes_nothing(void **state)
{
    struct fixture *f = *state;
    char bytes[4096] = {0};
    struct iovec line = {bytes, sizeof(bytes)};

    channel_start(f, ANSWERS_FD3);
    while (stdin_pipe_write(&f->channel.in, &line, 1) > 0) {
    }
    assert_int_equal(stdin_pipe_write(&f->channel.in, &line, 1), 0);
}

static void a_worker_that_closed_its_input_is_told(void **state)
{
    struct fixture *f = *state;
    char bytes[] = "one\n";
    struct iovec line = {bytes, 4};

    channel_start(f, ANSWERS_FD3);
    fd_close(&f->theirs[0]);
    assert_int_equal(stdin_pipe_write(&f->channel.in, &line, 1), -1);
}

static void what_the_worker_has_not_read_is_known(void **state)
{
    struct fixture *f = *state;
    char byte;

    channel_start(f, ANSWERS_FD3);
    give(f, "one\n");
    assert_int_equal(stdin_pipe_unread(&f->channel.in), 4);
    assert_int_equal(read(f->theirs[0], &byte, 1), 1);
    assert_int_equal(stdin_pipe_unread(&f->channel.in), 3);
}

/* Reads n bytes as the worker does. */
static void read_as_worker(const struct fixture *f, size_t n)
{
    char bytes[64];

    assert_true(n <= sizeof(bytes));
    assert_int_equal(read(f->theirs[0], bytes, n), (ssize_t)n);
}

static void a_worker_that_reads_our_empty_line_still_reads(void **state)
{
    struct fixture *f = *state;
    struct iovec line = {(char[]){"ab\n"}, 3};

    channel_start(f, ANSWERS_FD3);
    assert_true(stdin_pipe_reads(&f->channel.in)); /* nobody asked */
    stdin_pipe_ask(&f->channel.in, true);
    assert_false(stdin_pipe_reads(&f->channel.in));
    assert_int_equal(stdin_pipe_unread(&f->channel.in), 0); /* the empty line is nobody's */
    assert_int_equal(stdin_pipe_write(&f->channel.in, &line, 1), 3);
    assert_false(stdin_pipe_reads(&f->channel.in));
    assert_int_equal(stdin_pipe_unread(&f->channel.in), 3);
    read_as_worker(f, 1);
    assert_int_equal(stdin_pipe_unread(&f->channel.in), 3);
    assert_true(stdin_pipe_reads(&f->channel.in)); /* what came later it need not have read */
    assert_int_equal(stdin_pipe_unread(&f->channel.in), 3);
}

static void what_stands_in_the_pipe_is_question_enough(void **state)
{
    struct fixture *f = *state;
    struct iovec line = {(char[]){"ab\n"}, 3};

    channel_start(f, ANSWERS_FD3);
    assert_int_equal(stdin_pipe_write(&f->channel.in, &line, 1), 3);
    stdin_pipe_ask(&f->channel.in, true);
    assert_int_equal(stdin_pipe_unread(&f->channel.in), 3);
    assert_false(stdin_pipe_reads(&f->channel.in));
    read_as_worker(f, 1);
    assert_int_equal(stdin_pipe_unread(&f->channel.in), 2);
    assert_true(stdin_pipe_reads(&f->channel.in));
}

static void what_is_taken_back_the_worker_cannot_read(void **state)
{
    struct fixture *f = *state;
    auto_buf struct buf unread = {0};
    char byte;

    channel_start(f, ANSWERS_FD3);
    give(f, "one\ntwo\n");
    read_as_worker(f, 3);
    assert_true(stdin_pipe_take_back(&f->channel.in, &unread));
    assert_int_equal(buf_len(&unread), 5);
    assert_memory_equal(buf_at(&unread), "\ntwo\n", 5);
    (void)fcntl(f->theirs[0], F_SETFL, O_NONBLOCK);
    assert_int_equal(read(f->theirs[0], &byte, 1), -1);
    assert_int_equal(errno, EAGAIN);
    assert_true(stdin_pipe_take_back(&f->channel.in, &unread));
    assert_int_equal(buf_len(&unread), 5);
}

static void a_question_that_is_taken_back_is_no_lines(void **state)
{
    struct fixture *f = *state;
    auto_buf struct buf unread = {0};

    channel_start(f, ANSWERS_FD3);
    stdin_pipe_ask(&f->channel.in, true);
    give(f, "one\n");
    assert_true(stdin_pipe_take_back(&f->channel.in, &unread));
    assert_int_equal(buf_len(&unread), 4);
    assert_memory_equal(buf_at(&unread), "one\n", 4);
}

static void an_unfinished_line_is_not_cut_by_a_question(void **state)
{
    struct fixture *f = *state;
    struct iovec start = {(char[]){"ab"}, 2}, rest = {(char[]){"c\n"}, 2};

    channel_start(f, ANSWERS_FD3);
    assert_int_equal(stdin_pipe_write(&f->channel.in, &start, 1), 2);
    read_as_worker(f, 2);
    stdin_pipe_ask(&f->channel.in, false);
    assert_int_equal(stdin_pipe_unread(&f->channel.in), 0);
    assert_false(stdin_pipe_reads(&f->channel.in));
    assert_int_equal(stdin_pipe_write(&f->channel.in, &rest, 1), 2);
    assert_int_equal(stdin_pipe_unread(&f->channel.in), 2);
    read_as_worker(f, 1);
    assert_true(stdin_pipe_reads(&f->channel.in));
}

static void a_closed_channel_has_nothing_unread(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_FD3);
    give(f, "one\n");
    channel_close(&f->channel);
    assert_int_equal(stdin_pipe_unread(&f->channel.in), 0);
}

/* ---- answers on descriptor 3 ---- */

static void an_answer_on_descriptor_3_is_handed_out(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_FD3);
    give(f, "in\n");
    say(f, 3, "{\"a\":1}\n");
    assert_hears(f, WANT_ANSWER, "{\"a\":1}");
}

static void any_line_on_descriptor_3_answers_who_waits(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_FD3);
    give(f, "in\n");
    say(f, 3, "no json\n");
    assert_hears(f, WANT_ANSWER, "no json");
}

static void a_blank_line_on_descriptor_3_is_an_answer(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_FD3);
    give(f, "in\n");
    say(f, 3, "\n \t\r\n{\"a\":1}\n");
    assert_hears(f, WANT_ANSWER, "");
    assert_hears(f, WANT_ANSWER, " \t\r");
    assert_hears(f, WANT_ANSWER, "{\"a\":1}");
    assert_hears_nothing(f, WANT_ANSWER);
}

static void an_answer_that_nobody_waits_for_is_dropped(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_FD3);
    give(f, "in\n");
    say(f, 3, "{\"a\":1}\n{\"a\":2}\n");
    assert_hears(f, WANT_ANSWER, "{\"a\":1}");
    assert_hears_nothing(f, WANT_NOTHING);
    assert_hears_nothing(f, WANT_ANSWER);
    assert_int_equal(f->channel.n_stale, 1);
}

static void a_stale_answer_is_no_log_line_either(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_FD3);
    give(f, "in\n");
    say(f, 3, "{\"a\":1}\n");
    assert_hears_nothing(f, WANT_NOTHING);
    assert_captured(&f->out, "");
}

static void descriptor_1_is_log_when_answers_come_on_3(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_FD3);
    give(f, "in\n");
    say(f, 1, "{\"log\":1}\n");
    loop_turn(f->loop, 3);
    assert_hears_nothing(f, WANT_ANSWER);
    assert_captured(&f->out, "{\"log\":1}\n");
}

/* ---- answers on descriptor 1 ---- */

static void an_answer_on_descriptor_1_is_handed_out(void **state)
{
    static const char *const answers[] = {"{\"a\":1}", "[1,2]", " \t{\"a\":{}}", "{}", "[]"};
    struct fixture *f = *state;

    channel_start(f, ANSWERS_STDOUT);
    give(f, "in\n");
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        say(f, 1, answers[i]);
        say(f, 1, "\n");
        assert_hears(f, WANT_ANSWER, answers[i]);
    }
    assert_captured(&f->out, "");
}

static void other_lines_on_descriptor_1_are_log(void **state)
{
    static const char log[] = "hello\n1\n\"text\"\ntrue\nnull\n{\"half\n{\"a\":1} x\n[1,]\n\n";
    struct fixture *f = *state;

    channel_start(f, ANSWERS_STDOUT);
    give(f, "in\n");
    say(f, 1, log);
    assert_hears_nothing(f, WANT_ANSWER);
    assert_captured(&f->out, log);
}

static void log_lines_before_an_answer_are_forwarded_before_it(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_STDOUT);
    give(f, "in\n");
    say(f, 1, "hello\n{\"a\":1}\nafter\n");
    assert_hears(f, WANT_ANSWER, "{\"a\":1}");
    assert_captured(&f->out, "hello\n");
}

static void json_on_descriptor_1_is_log_while_nobody_waits(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_STDOUT);
    give(f, "in\n");
    say(f, 1, "{\"a\":1}\n");
    assert_hears_nothing(f, WANT_NOTHING);
    assert_captured(&f->out, "{\"a\":1}\n");
    assert_int_equal(f->channel.n_stale, 1);
}

static void descriptor_3_is_log_when_answers_come_on_1(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_STDOUT);
    give(f, "in\n");
    say(f, 3, "{\"log\":1}\n");
    loop_turn(f->loop, 3);
    assert_hears_nothing(f, WANT_ANSWER);
    assert_captured(&f->out, "{\"log\":1}\n");
}

static void a_launcher_that_keeps_apart_may_answer_anything(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_STDOUT);
    f->channel.kept_apart = true;
    give(f, "in\n");
    say(f, 1, "\nno json\n");
    assert_hears(f, WANT_ANSWER, "");
    assert_hears(f, WANT_ANSWER, "no json");
}

/* It may be the result of another client. */
static void what_such_a_launcher_answers_unasked_is_counted_and_not_logged(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_STDOUT);
    f->channel.kept_apart = true;
    say(f, 1, "{\"secret\":1}\n");
    assert_hears_nothing(f, WANT_NOTHING);
    assert_captured(&f->out, "");
    assert_int_equal(f->channel.n_stale, 1);
}

static void descriptor_2_is_log(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_STDOUT);
    say(f, 2, "{\"log\":1}\n");
    loop_turn(f->loop, 3);
    assert_captured(&f->err, "{\"log\":1}\n");
    assert_captured(&f->out, "");
}

static void a_forged_sentinel_among_answers_is_altered(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_STDOUT);
    give(f, "in\n");
    say(f, 1, SENTINEL "\n");
    assert_hears_nothing(f, WANT_ANSWER);
    assert_captured(&f->out, "xxx_the_end_of_a_whisk_activation_xxx\n");
}

/* ---- ready ---- */

static void a_ready_line_is_handed_out_on_both_descriptors(void **state)
{
    static const struct {
        enum answers answers;
        int fd;
    } cases[] = {{ANSWERS_FD3, 3}, {ANSWERS_STDOUT, 1}, {ANSWERS_AUTO, 3}, {ANSWERS_AUTO, 1}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f;

        (void)set_up((void **)&f);
        channel_start(f, cases[i].answers);
        say(f, cases[i].fd, "{\"ok\":true}\n");
        assert_hears(f, WANT_READY, "{\"ok\":true}");
        (void)tear_down((void **)&f);
    }
    (void)state;
}

static void an_announcement_is_heard_before_the_first_line_without_being_asked(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_STDOUT);
    say(f, 1, "hello\n{\"ok\":true,\"pipeline\":64}\n");
    assert_hears(f, WANT_NOTHING, "{\"ok\":true,\"pipeline\":64}");
    assert_captured(&f->out, "hello\n");
}

static void other_json_is_no_announcement(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_STDOUT);
    say(f, 1, "{\"level\":\"info\"}\n[\"ok\"]\n\"ok\"\n");
    assert_hears_nothing(f, WANT_NOTHING);
    assert_captured(&f->out, "{\"level\":\"info\"}\n[\"ok\"]\n\"ok\"\n");
}

static void after_the_first_line_nothing_is_an_announcement(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_STDOUT);
    give(f, "in\n");
    say(f, 1, "{\"ok\":true}\n");
    assert_hears_nothing(f, WANT_NOTHING);
    assert_captured(&f->out, "{\"ok\":true}\n");
}

static void nor_is_anything_on_descriptor_3(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_FD3);
    give(f, "in\n");
    say(f, 3, "{\"ok\":true}\n");
    assert_hears_nothing(f, WANT_NOTHING);
    assert_int_equal(f->channel.n_stale, 1);
}

static void anything_on_descriptor_3_answers_the_question_for_ready(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_FD3);
    say(f, 3, "not ok\n");
    assert_hears(f, WANT_READY, "not ok");
}

/* ---- the bound ---- */

static void answers_up_to_the_bound_are_handed_out(void **state)
{
    static const size_t lengths[] = {ANSWER_MAX_BYTES - 1, ANSWER_MAX_BYTES};

    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct fixture *f = *state;
        const char *text;
        size_t n;

        if (f->theirs[1] < 0)
            channel_start(f, ANSWERS_STDOUT);
        give(f, "in\n");
        say_long(f, 1, "{\"a\":\"", lengths[i] - 8, "\"}\n");
        assert_int_equal(hear(f, WANT_ANSWER, &text, &n), CHANNEL_LINE);
        assert_int_equal(n, lengths[i]);
    }
}

static void an_answer_above_the_bound_is_told(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_STDOUT);
    give(f, "in\n");
    say_long(f, 1, "{\"a\":\"", ANSWER_MAX_BYTES + 1 - 8, "\"}\n");
    assert_hears_too_long(f, WANT_ANSWER);
    say(f, 1, "{}\n");
    assert_hears(f, WANT_ANSWER, "{}");
}

static void a_ready_line_above_the_bound_is_told(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_STDOUT);
    say_long(f, 1, "{\"ok\":\"", ANSWER_MAX_BYTES, "\"}\n");
    assert_hears_too_long(f, WANT_READY);
}

static void an_answer_above_the_bound_is_told_on_descriptor_3_too(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_FD3);
    give(f, "in\n");
    say_long(f, 3, "{", ANSWER_MAX_BYTES, "}\n");
    assert_hears_too_long(f, WANT_ANSWER);
}

static void a_line_above_the_bound_that_nobody_waits_for_is_dropped(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_STDOUT);
    f->channel.kept_apart = true;
    say_long(f, 1, "{", ANSWER_MAX_BYTES, "}\n{\"a\":1}\n");
    assert_hears_nothing(f, WANT_NOTHING);
    say(f, 1, "{\"a\":2}\n");
    assert_hears(f, WANT_ANSWER, "{\"a\":2}");
}

static void an_answer_in_many_pieces_is_one(void **state)
{
    struct fixture *f = *state;

    channel_start(f, ANSWERS_STDOUT);
    give(f, "in\n");
    say(f, 1, "{\"a\"");
    assert_hears_nothing(f, WANT_ANSWER);
    say(f, 1, ":1}");
    assert_hears_nothing(f, WANT_ANSWER);
    say(f, 1, "\n");
    assert_hears(f, WANT_ANSWER, "{\"a\":1}");
}

/* Pad a log line on descriptor 1 to n bytes, pulled before its end comes. */
static void assert_long_log_line_passes(struct fixture *f, size_t n)
{
    auto_free char *text = NULL;

    if (f->theirs[1] < 0)
        channel_start(f, ANSWERS_STDOUT);
    give(f, "in\n");
    assert_int_equal(ftruncate(f->out.fd, 0), 0);
    assert_int_equal(lseek(f->out.fd, 0, SEEK_SET), 0);
    say_long(f, 1, "", n, "");
    assert_hears_nothing(f, WANT_ANSWER);
    say(f, 1, "\n{\"a\":1}\n");
    assert_hears(f, WANT_ANSWER, "{\"a\":1}");
    text = capture_text(&f->out);
    assert_int_equal(strspn(text, "x"), n);
    assert_int_equal(strlen(text), n + 1);
}

static void a_long_log_line_among_answers_passes_whole(void **state)
{
    assert_long_log_line_passes(*state, PASS_BYTES - 1);
    assert_long_log_line_passes(*state, PASS_BYTES);
    assert_long_log_line_passes(*state, PASS_BYTES + 1);
}

static void a_log_line_longer_than_any_answer_passes_whole(void **state)
{
    struct fixture *f = *state;
    auto_free char *text = NULL;
    size_t n = 0;

    channel_start(f, ANSWERS_STDOUT);
    give(f, "in\n");
    for (; n < 2 * ANSWER_MAX_BYTES; n += PASS_BYTES) {
        say_long(f, 1, "", PASS_BYTES, "");
        assert_hears_nothing(f, WANT_ANSWER);
    }
    say(f, 1, "\n{\"a\":1}\n");
    assert_hears(f, WANT_ANSWER, "{\"a\":1}");
    text = capture_text(&f->out);
    assert_int_equal(strspn(text, "x"), n);
}

static void a_log_line_longer_than_any_answer_passes_at_once_too(void **state)
{
    struct fixture *f = *state;
    auto_free char *text = NULL;

    channel_start(f, ANSWERS_STDOUT);
    give(f, "in\n");
    say_long(f, 1, "", ANSWER_MAX_BYTES + 1, "\n{\"a\":1}\n");
    assert_hears(f, WANT_ANSWER, "{\"a\":1}");
    text = capture_text(&f->out);
    assert_int_equal(strspn(text, "x"), ANSWER_MAX_BYTES + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(lines_reach_the_worker_in_one_write),
        TEST(a_full_pipe_takes_nothing),
        TEST(a_worker_that_closed_its_input_is_told),
        TEST(what_the_worker_has_not_read_is_known),
        TEST(a_worker_that_reads_our_empty_line_still_reads),
        TEST(what_stands_in_the_pipe_is_question_enough),
        TEST(what_is_taken_back_the_worker_cannot_read),
        TEST(a_question_that_is_taken_back_is_no_lines),
        TEST(an_unfinished_line_is_not_cut_by_a_question),
        TEST(a_closed_channel_has_nothing_unread),
        TEST(an_answer_on_descriptor_3_is_handed_out),
        TEST(any_line_on_descriptor_3_answers_who_waits),
        TEST(a_blank_line_on_descriptor_3_is_an_answer),
        TEST(an_answer_that_nobody_waits_for_is_dropped),
        TEST(a_stale_answer_is_no_log_line_either),
        TEST(descriptor_1_is_log_when_answers_come_on_3),
        TEST(an_answer_on_descriptor_1_is_handed_out),
        TEST(other_lines_on_descriptor_1_are_log),
        TEST(log_lines_before_an_answer_are_forwarded_before_it),
        TEST(json_on_descriptor_1_is_log_while_nobody_waits),
        TEST(descriptor_3_is_log_when_answers_come_on_1),
        TEST(a_launcher_that_keeps_apart_may_answer_anything),
        TEST(what_such_a_launcher_answers_unasked_is_counted_and_not_logged),
        TEST(descriptor_2_is_log),
        TEST(a_forged_sentinel_among_answers_is_altered),
        TEST(a_ready_line_is_handed_out_on_both_descriptors),
        TEST(an_announcement_is_heard_before_the_first_line_without_being_asked),
        TEST(other_json_is_no_announcement),
        TEST(after_the_first_line_nothing_is_an_announcement),
        TEST(nor_is_anything_on_descriptor_3),
        TEST(anything_on_descriptor_3_answers_the_question_for_ready),
        TEST(answers_up_to_the_bound_are_handed_out),
        TEST(an_answer_above_the_bound_is_told),
        TEST(a_ready_line_above_the_bound_is_told),
        TEST(an_answer_above_the_bound_is_told_on_descriptor_3_too),
        TEST(a_line_above_the_bound_that_nobody_waits_for_is_dropped),
        TEST(an_answer_in_many_pieces_is_one),
        TEST(a_long_log_line_among_answers_passes_whole),
        TEST(a_log_line_longer_than_any_answer_passes_whole),
        TEST(a_log_line_longer_than_any_answer_passes_at_once_too),
    };

    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}

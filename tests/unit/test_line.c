#include "test.h"

#include <string.h>

#include "base/line.h"
#include "base/util.h"

#define MAX_BYTES 8

struct fixture {
    struct line line;
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    line_init(&f->line, MAX_BYTES);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    line_done(&f->line);
    free(f);
    return 0;
}

static void feed_bytes(struct line *line, const char *bytes, size_t n)
{
    memcpy(line_room(line, n), bytes, n);
    line_added(line, n);
}

static void feed(struct line *line, const char *text)
{
    feed_bytes(line, text, strlen(text));
}

static void assert_none(struct line *line)
{
    const char *text;
    size_t n;

    assert_int_equal(line_next(line, &text, &n), LINE_NONE);
}

static void assert_too_long(struct line *line)
{
    const char *text;
    size_t n;

    assert_int_equal(line_next(line, &text, &n), LINE_TOO_LONG);
}

static void assert_line(struct line *line, const char *wanted)
{
    const char *text;
    size_t n;

    assert_int_equal(line_next(line, &text, &n), LINE_READY);
    assert_int_equal(n, strlen(wanted));
    assert_memory_equal(text, wanted, n);
}

/* ---- cutting ---- */

static void nothing_fed_is_no_line(void **state)
{
    struct fixture *f = *state;

    assert_none(&f->line);
}

static void a_whole_line_comes_out_without_its_newline(void **state)
{
    struct fixture *f = *state;

    feed(&f->line, "abc\n");
    assert_line(&f->line, "abc");
    assert_none(&f->line);
}

static void a_line_waits_for_its_newline(void **state)
{
    struct fixture *f = *state;

    feed(&f->line, "ab");
    assert_none(&f->line);
    feed(&f->line, "c\n");
    assert_line(&f->line, "abc");
}

static void lines_come_in_the_order_of_their_bytes(void **state)
{
    struct fixture *f = *state;

    feed(&f->line, "1\n22\n333\nrest");
    assert_line(&f->line, "1");
    assert_line(&f->line, "22");
    assert_line(&f->line, "333");
    assert_none(&f->line);
}

static void a_line_fed_byte_by_byte_arrives_whole(void **state)
{
    struct fixture *f = *state;

    for (const char *at = "abcdefg"; *at != '\0'; at++) {
        feed_bytes(&f->line, at, 1);
        assert_none(&f->line);
    }
    feed(&f->line, "\n");
    assert_line(&f->line, "abcdefg");
}

static void an_empty_line_is_a_line(void **state)
{
    struct fixture *f = *state;

    feed(&f->line, "\n\n");
    assert_line(&f->line, "");
    assert_line(&f->line, "");
    assert_none(&f->line);
}

static void a_zero_byte_is_a_byte_like_others(void **state)
{
    struct fixture *f = *state;
    const char *text;
    size_t n;

    feed_bytes(&f->line, "a\0b\n", 4);
    assert_int_equal(line_next(&f->line, &text, &n), LINE_READY);
    assert_int_equal(n, 3);
    assert_memory_equal(text, "a\0b", 3);
}

static void the_room_may_be_filled_in_part(void **state)
{
    struct fixture *f = *state;

    memcpy(line_room(&f->line, 100), "abc\n", 4);
    line_added(&f->line, 4);
    assert_line(&f->line, "abc");
}

static void the_text_outlives_the_next_line_that_is_handed_out(void **state)
{
    struct fixture *f = *state;
    const char *text;
    size_t n;

    feed(&f->line, "abc\ndef\n");
    assert_int_equal(line_next(&f->line, &text, &n), LINE_READY);
    assert_line(&f->line, "def");
    assert_memory_equal(text, "abc", 3);
}

/* ---- the bound ---- */

static void lines_up_to_the_bound_are_handed_out(void **state)
{
    struct fixture *f = *state;

    feed(&f->line, "1234567\n12345678\n");
    assert_line(&f->line, "1234567");
    assert_line(&f->line, "12345678");
}

static void a_line_one_byte_too_long_is_told(void **state)
{
    struct fixture *f = *state;

    feed(&f->line, "123456789\n");
    assert_too_long(&f->line);
    assert_none(&f->line);
}

static void a_line_of_the_bound_may_still_end(void **state)
{
    struct fixture *f = *state;

    feed(&f->line, "12345678");
    assert_none(&f->line);
    feed(&f->line, "\n");
    assert_line(&f->line, "12345678");
}

static void too_long_is_told_before_the_newline_comes(void **state)
{
    struct fixture *f = *state;

    feed(&f->line, "123456789");
    assert_too_long(&f->line);
}

static void too_long_is_told_once_for_many_pieces(void **state)
{
    struct fixture *f = *state;

    feed(&f->line, "123456789");
    assert_too_long(&f->line);
    for (int i = 0; i < 100; i++) {
        feed(&f->line, "123456789");
        assert_none(&f->line);
    }
    feed(&f->line, "\n");
    assert_none(&f->line);
}

static void nothing_is_kept_of_a_line_that_is_too_long(void **state)
{
    struct fixture *f = *state;

    feed(&f->line, "123456789");
    assert_too_long(&f->line);
    feed(&f->line, "123456789");
    assert_none(&f->line);
    assert_int_equal(buf_len(&f->line.buf), 0);
}

static void the_line_after_one_that_was_too_long_is_whole(void **state)
{
    struct fixture *f = *state;

    feed(&f->line, "123456789");
    assert_too_long(&f->line);
    feed(&f->line, "0\nabc\n");
    assert_line(&f->line, "abc");
}

static void two_lines_too_long_are_told_one_by_one(void **state)
{
    struct fixture *f = *state;

    feed(&f->line, "123456789\n123456789\nabc\n");
    assert_too_long(&f->line);
    assert_too_long(&f->line);
    assert_line(&f->line, "abc");
}

/* ---- the rest ---- */

static void the_rest_is_what_was_not_handed_out(void **state)
{
    struct fixture *f = *state;
    const char *text;

    feed(&f->line, "abc\nde");
    assert_line(&f->line, "abc");
    assert_none(&f->line);
    assert_int_equal(line_rest(&f->line, &text), 2);
    assert_memory_equal(text, "de", 2);
}

static void the_rest_stays_until_it_is_finished(void **state)
{
    struct fixture *f = *state;
    const char *text;

    feed(&f->line, "de");
    assert_int_equal(line_rest(&f->line, &text), 2);
    feed(&f->line, "f\n");
    assert_line(&f->line, "def");
}

static void a_line_that_is_too_long_leaves_no_rest(void **state)
{
    struct fixture *f = *state;
    const char *text;

    feed(&f->line, "123456789");
    assert_too_long(&f->line);
    feed(&f->line, "123");
    assert_int_equal(line_rest(&f->line, &text), 0);
}

static void what_is_skipped_is_no_part_of_the_next_line(void **state)
{
    struct fixture *f = *state;

    feed(&f->line, "abcdef");
    assert_none(&f->line);
    line_skip(&f->line, 4);
    feed(&f->line, "\n");
    assert_line(&f->line, "ef");
}

static void a_reset_forgets_bytes(void **state)
{
    struct fixture *f = *state;

    feed(&f->line, "abc");
    assert_none(&f->line);
    line_reset(&f->line, 0);
    feed(&f->line, "def\n");
    assert_line(&f->line, "def");
}

static void a_reset_forgets_that_a_line_was_too_long(void **state)
{
    struct fixture *f = *state;

    feed(&f->line, "123456789");
    assert_too_long(&f->line);
    line_reset(&f->line, 0);
    feed(&f->line, "def\n");
    assert_line(&f->line, "def");
}

static void a_reset_keeps_memory_up_to_what_is_said(void **state)
{
    struct fixture *f = *state;

    feed(&f->line, "abc");
    line_reset(&f->line, f->line.buf.size);
    assert_true(f->line.buf.size > 0);
    line_reset(&f->line, f->line.buf.size - 1);
    assert_int_equal(f->line.buf.size, 0);
}

static void a_drop_ends_a_line_that_was_too_long(void **state)
{
    struct fixture *f = *state;

    feed(&f->line, "ab");
    assert_false(line_drop(&f->line));
    feed(&f->line, "123456789");
    assert_too_long(&f->line);
    assert_true(line_drop(&f->line));
    feed(&f->line, "next\n");
    assert_line(&f->line, "next");
    assert_false(line_drop(&f->line));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(nothing_fed_is_no_line),
        TEST(a_whole_line_comes_out_without_its_newline),
        TEST(a_line_waits_for_its_newline),
        TEST(lines_come_in_the_order_of_their_bytes),
        TEST(a_line_fed_byte_by_byte_arrives_whole),
        TEST(an_empty_line_is_a_line),
        TEST(a_zero_byte_is_a_byte_like_others),
        TEST(the_room_may_be_filled_in_part),
        TEST(the_text_outlives_the_next_line_that_is_handed_out),
        TEST(lines_up_to_the_bound_are_handed_out),
        TEST(a_line_one_byte_too_long_is_told),
        TEST(a_line_of_the_bound_may_still_end),
        TEST(too_long_is_told_before_the_newline_comes),
        TEST(too_long_is_told_once_for_many_pieces),
        TEST(nothing_is_kept_of_a_line_that_is_too_long),
        TEST(the_line_after_one_that_was_too_long_is_whole),
        TEST(two_lines_too_long_are_told_one_by_one),
        TEST(the_rest_is_what_was_not_handed_out),
        TEST(the_rest_stays_until_it_is_finished),
        TEST(a_line_that_is_too_long_leaves_no_rest),
        TEST(what_is_skipped_is_no_part_of_the_next_line),
        TEST(a_drop_ends_a_line_that_was_too_long),
        TEST(a_reset_forgets_bytes),
        TEST(a_reset_forgets_that_a_line_was_too_long),
        TEST(a_reset_keeps_memory_up_to_what_is_said),
    };

    return cmocka_run_group_tests_name("line", tests, NULL, NULL);
}

/* difference: the lines in which two texts differ, as diff -u shows them. */

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "dev/difference.h"
#include "dev/text.h"

static void assert_shows(const char *expected, const char *answer, const char *wanted)
{
    auto_buf struct buf out = {0};

    difference_write(expected, answer, &out);
    assert_string_equal(text_of(&out), wanted);
}

static void a_line_that_changed_is_shown_with_the_lines_around_it(void **state)
{
    (void)state;
    assert_shows("1\n2\n3\n4\n5\n6\n7\n8\n9", "1\n2\n3\n4\nx\n6\n7\n8\n9",
                 "    2\n    3\n    4\n  - 5\n  + x\n    6\n    7\n    8\n");
}

static void a_line_more_marks_no_other(void **state)
{
    (void)state;
    assert_shows("[\n1,\n2\n]", "[\n0,\n1,\n2\n]", "    [\n  + 0,\n    1,\n    2\n    ]\n");
    assert_shows("[\n1\n]", "[\n1,\n2\n]", "    [\n    1\n  + 2\n    ]\n");
    assert_shows("[\n1,\n2\n]", "[\n1\n]", "    [\n    1,\n  - 2\n    ]\n");
}

static void equal_lines_between_two_differences_are_not_marked(void **state)
{
    (void)state;
    assert_shows("a\nb\nc", "x\nb\ny", "  - a\n  + x\n    b\n  - c\n  + y\n");
    assert_shows("a\n1\n2\n3\n4\n5\n6\n7\nc", "x\n1\n2\n3\n4\n5\n6\n7\ny",
                 "  - a\n  + x\n    1\n    2\n    3\n  ...\n    5\n    6\n    7\n  - c\n  + y\n");
}

static void nothing_is_expected(void **state)
{
    (void)state;
    assert_shows("", "a\nb", "  + a\n  + b\n");
    assert_shows("a\nb", "", "  - a\n  - b\n");
}

static void no_more_lines_are_shown_than_the_bound(void **state)
{
    auto_buf struct buf answer = {0}, wanted = {0};

    (void)state;
    for (unsigned i = 0; i <= DIFFERENCE_SHOWN; i++) {
        text_add(&answer, "%u\n", i);
        if (i < DIFFERENCE_SHOWN)
            text_add(&wanted, "  + %u\n", i);
    }
    buf_add_text(&wanted, "  + ...\n");
    assert_shows("", text_of(&answer), text_of(&wanted));
}

static void texts_too_long_to_be_compared_whole_are_shown_from_the_first_difference(void **state)
{
    static const char shown[] = "    7\n    8\n    9\n  - 10\n  - 11\n";
    auto_buf struct buf expected = {0}, answer = {0}, out = {0};

    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        text_add(&expected, "%u\n", i);
        text_add(&answer, "%u\n", i == 10 || i == 2500 ? 7777 : i);
    }
    difference_write(text_of(&expected), text_of(&answer), &out);
    assert_memory_equal(text_of(&out), shown, strlen(shown));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_that_changed_is_shown_with_the_lines_around_it),
        cmocka_unit_test(a_line_more_marks_no_other),
        cmocka_unit_test(equal_lines_between_two_differences_are_not_marked),
        cmocka_unit_test(nothing_is_expected),
        cmocka_unit_test(no_more_lines_are_shown_than_the_bound),
        cmocka_unit_test(texts_too_long_to_be_compared_whole_are_shown_from_the_first_difference),
    };

    return cmocka_run_group_tests_name("difference", tests, NULL, NULL);
}

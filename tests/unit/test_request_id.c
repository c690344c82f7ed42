/* number: which answer belongs to which line. */

#include "test.h"

#include <string.h>

#include "base/util.h"
#include "worker/request_id.h"

static void a_head_is_the_number_between_a_bracket_and_a_comma(void **state)
{
    char head[REQUEST_ID_HEAD_MAX];

    (void)state;
    assert_int_equal(request_id_head(head, 7), 3);
    assert_memory_equal(head, "[7,", 3);
    assert_int_equal(request_id_head(head, UINT64_MAX), REQUEST_ID_HEAD_MAX);
    assert_memory_equal(head, "[18446744073709551615,", REQUEST_ID_HEAD_MAX);
}

static void number_and_answer_come_apart(void **state)
{
    static const struct {
        const char *line;
        uint64_t number;
        const char *answer;
    } cases[] = {
        {"[7,{\"a\":[1]}]", 7, "{\"a\":[1]}"},
        {"[0,[]]", 0, "[]"},
        {" [ 12 , {} ] \r", 12, "{} "},
        {"[9999999999999999999,{}]", 9999999999999999999u, "{}"},
        {"[1,]", 1, ""},
        {"[1,]]", 1, "]"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *text = cases[i].line;
        size_t n = strlen(text);
        uint64_t number = 77;

        assert_true(request_id_read(&text, &n, &number));
        assert_true(request_id_end(text, &n));
        assert_int_equal(number, cases[i].number);
        assert_int_equal(n, strlen(cases[i].answer));
        assert_memory_equal(text, cases[i].answer, n);
    }
}

static void what_has_no_number_is_left_as_it_is(void **state)
{
    static const char *const lines[] = {
        "",     " ",       "[",      "[]",          "[7",
        "[7]",  "[7 ",     "[,{}]",  "[-7,{}]",     "[7.0,{}]",
        "7,{}", "[\"7\",", "{\"a\"", "[7e1,{\"a\"", "[10000000000000000000,{}]", /* 20 digits */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        const char *text = lines[i];
        size_t n = strlen(text);
        uint64_t number;

        assert_false(request_id_read(&text, &n, &number));
        assert_ptr_equal(text, lines[i]);
        assert_int_equal(n, strlen(lines[i]));
    }
}

static void an_answer_whose_end_is_missing_has_a_number_and_no_end(void **state)
{
    static const char *const lines[] = {"[7,", "[7,{\"a\":1}", "[7, \r"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        const char *text = lines[i];
        size_t n = strlen(text);
        uint64_t number;

        assert_true(request_id_read(&text, &n, &number));
        assert_int_equal(number, 7);
        assert_false(request_id_end(text, &n));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_is_the_number_between_a_bracket_and_a_comma),
        cmocka_unit_test(number_and_answer_come_apart),
        cmocka_unit_test(what_has_no_number_is_left_as_it_is),
        cmocka_unit_test(an_answer_whose_end_is_missing_has_a_number_and_no_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* canonical: two JSON texts become equal if and only if their values are. */

#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "dev/canonical.h"

static void assert_becomes(const char *text, const char *wanted)
{
    auto_free char *form = canonical_json(text, strlen(text));

    assert_non_null(form);
    assert_string_equal(form, wanted);
}

static void numbers_are_compared_by_their_exact_value(void **state)
{
    static const struct {
        const char *text;
        const char *form;
    } cases[] = {
        {"1", "1"},
        {"1.0", "1"},
        {"1e0", "1"},
        {"10E-1", "1"},
        {"-1.50", "-1.5"},
        {"0", "0"},
        {"-0", "0"},
        {"0.0e7", "0"},
        {"0.3", "0.3"},
        {"0.30000000000000004", "0.30000000000000004"},
        {"12345678901234567891", "12345678901234567891"},
        {"12345678901234567000", "12345678901234567000"},
        {"1234567890123456789012345", "1234567890123456789012345"},
        {"1000", "1000"},
        {"1e3", "1000"},
        {"1e21", "1e21"},
        {"1e20", "100000000000000000000"},
        {"1.5e+300", "1.5e300"},
        {"0.000001", "0.000001"},
        {"0.00000015", "1.5e-7"},
        {"123.456e1", "1234.56"},
        {"1e99999999999999999999999", "1e1000000000000"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_becomes(cases[i].text, cases[i].form);
}

static void a_large_integer_leaves_other_numbers_as_they_are(void **state)
{
    (void)state;
    assert_becomes("{\"big\":12345678901234567890123,\"n\":1}",
                   "{\n  \"big\": 12345678901234567890123,\n  \"n\": 1\n}");
}

static void members_are_sorted_and_the_last_of_one_name_counts(void **state)
{
    (void)state;
    assert_becomes("{\"b\":{},\"a\":[ ],\"ab\":[1,{\"x\":null}],\"\\u0061\":true}",
                   "{\n  \"a\": true,\n  \"ab\": [\n    1,\n    {\n      \"x\": null\n    }\n  ],\n"
                   "  \"b\": {}\n}");
}

static void escapes_of_a_string_do_not_count(void **state)
{
    (void)state;
    assert_becomes("\"\\u0041\\/\\u00e9\\n\"", "\"A/\303\251\\n\"");
}

static void what_is_no_json_has_no_form(void **state)
{
    (void)state;
    assert_null(canonical_json("{", 1));
    assert_null(canonical_json("", 0));
    assert_null(canonical_json("01", 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_compared_by_their_exact_value),
        cmocka_unit_test(a_large_integer_leaves_other_numbers_as_they_are),
        cmocka_unit_test(members_are_sorted_and_the_last_of_one_name_counts),
        cmocka_unit_test(escapes_of_a_string_do_not_count),
        cmocka_unit_test(what_is_no_json_has_no_form),
    };

    return cmocka_run_group_tests_name("canonical", tests, NULL, NULL);
}

#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/util.h"

static struct json_slice top_of(const char *text)
{
    assert_int_not_equal(json_check(text, strlen(text), NULL), JSON_BAD);
    return json_top(text, strlen(text));
}

static void assert_slice(struct json_slice slice, const char *text)
{
    if (slice.n != strlen(text) || memcmp(slice.text, text, slice.n) != 0)
        fail_msg("got %.*s, want %s", (int)slice.n, slice.text, text);
}

static void the_top_is_cut_free_of_white_space(void **state)
{
    (void)state;
    assert_slice(top_of(" \n{ \"a\" : 1 }\t\r"), "{ \"a\" : 1 }");
    assert_slice(top_of("7"), "7");
}

static void members_come_in_order_without_white_space(void **state)
{
    struct json_slice object =
        top_of("{ \"a\" : [1, {\"]\":\"}\\\"\"}] ,\n\"b\":-1.5e3 , \"c\":null}");
    struct json_slice key, value;
    size_t at = 0;

    (void)state;
    assert_true(json_next_member(object, &at, &key, &value));
    assert_slice(key, "\"a\"");
    assert_slice(value, "[1, {\"]\":\"}\\\"\"}]");
    assert_int_equal(value.kind, JSON_ARRAY);
    assert_true(json_next_member(object, &at, &key, &value));
    assert_slice(value, "-1.5e3");
    assert_int_equal(value.kind, JSON_NUMBER);
    assert_true(json_next_member(object, &at, &key, &value));
    assert_slice(value, "null");
    assert_false(json_next_member(object, &at, &key, &value));
}

static void items_come_in_order_without_white_space(void **state)
{
    struct json_slice array = top_of("[ {\"]\": [1]} ,\n\"]\",-1.5e3 ]");
    struct json_slice value;
    size_t at = 0;

    (void)state;
    assert_true(json_next_item(array, &at, &value));
    assert_slice(value, "{\"]\": [1]}");
    assert_true(json_next_item(array, &at, &value));
    assert_slice(value, "\"]\"");
    assert_true(json_next_item(array, &at, &value));
    assert_slice(value, "-1.5e3");
    assert_int_equal(value.kind, JSON_NUMBER);
    assert_false(json_next_item(array, &at, &value));
    at = 0;
    assert_false(json_next_item(top_of("[ ]"), &at, &value));
}

static void an_empty_object_has_no_members(void **state)
{
    struct json_slice key, value;
    size_t at = 0;

    (void)state;
    assert_false(json_next_member(top_of("{ }"), &at, &key, &value));
    assert_false(json_next_member(top_of("{}"), &at, &key, &value));
}

static void the_last_member_of_a_name_wins(void **state)
{
    struct json_slice value;

    (void)state;
    assert_true(json_member(top_of("{\"a\":1,\"b\":2,\"a\":{}}"), "a", &value));
    assert_int_equal(value.kind, JSON_OBJECT);
}

static void a_member_is_found_by_an_escaped_name(void **state)
{
    struct json_slice value;

    (void)state;
    assert_true(json_member(top_of("{\"\\u0076alu\\u0065\":1}"), "value", &value));
    assert_slice(value, "1");
}

static void a_member_that_is_not_there_leaves_the_result_alone(void **state)
{
    struct json_slice value = {.text = "kept"};

    (void)state;
    assert_false(json_member(top_of("{\"ab\":1,\"\":{\"a\":2}}"), "a", &value));
    assert_string_equal(value.text, "kept");
}

/* json_check_member() finds what json_member() finds. */
static void a_check_finds_a_member_on_its_way(void **state)
{
    static const struct {
        const char *text, *value; /* NULL: there is none */
    } cases[] = {
        {"{\"b\":1,\"a\": [2] ,\"c\":3}", "[2]"},
        {"{\"a\":1,\"b\":2,\"a\":{}}", "{}"},
        {"{\"\\u0061\":\"x\"}", "\"x\""},
        {" {\"a\"\n:\n1.5e3\n} ", "1.5e3"},
        {"{\"b\":{\"a\":1}}", NULL},
        {"[{\"a\":1}]", NULL},
        {"{\"ab\":1,\"\":2,\"\\\\a\":3}", NULL},
        {"{\"b\":\"a\"}", NULL},
        {"{}", NULL},
        {"1", NULL},
        {"{\"a\":1", NULL},
        {"{\"a\":1}}", NULL},
        {"", NULL},
    };
    struct json_slice value;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = strlen(cases[i].text);
        enum json_kind kind = json_check(cases[i].text, n, NULL);

        assert_int_equal(json_check_member(cases[i].text, n, NULL, "a", &value), kind);
        if (cases[i].value != NULL)
            assert_slice(value, cases[i].value);
        else
            assert_int_equal(value.kind, JSON_BAD);
    }
}

static void equality_is_of_what_is_spelled(void **state)
{
    static const struct {
        const char *string, *text;
        bool equal;
    } cases[] = {
        {"\"abc\"", "abc", true},          {"\"abc\"", "ab", false},
        {"\"ab\"", "abc", false},          {"\"\"", "", true},
        {"\"\\u0061bc\"", "abc", true},    {"\"\\u0061bc\"", "abd", false},
        {"\"\\u0061b\"", "abc", false},    {"\"\\u0061bcd\"", "abc", false},
        {"\"a\\u0000\"", "a", false},      {"\"\\/\"", "/", true},
        {"\"\\u00e9\"", "\xc3\xa9", true}, {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (json_equals(top_of(cases[i].string), cases[i].text) != cases[i].equal)
            fail_msg("%s against %s", cases[i].string, cases[i].text);
}

static void escapes_are_undone(void **state)
{
    static const struct {
        const char *string, *text;
    } cases[] = {
        {"\"plain\"", "plain"},
        {"\"\"", ""},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"", "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"},
        {"\"\\ud800\\udc00\\udbff\\udfff\"", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
        {"\"a\\ud800b\"", "a\xef\xbf\xbd"
                          "b"},
        {"\"\\udc00\\ud800\"", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\"\\ud800\\ud800\\udc00\"", "\xef\xbf\xbd\xf0\x90\x80\x80"},
        {"\"\\ud800\\n\"", "\xef\xbf\xbd\n"},
        {"\"\\ud800\\ue000\"", "\xef\xbf\xbd\xee\x80\x80"},
        {"\"\\udc00\\udc00\"", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\"\\ud840\\udc00\"", "\xf0\xa0\x80\x80"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json_slice string = top_of(cases[i].string);
        auto_free char *out = xmalloc(string.n);
        size_t n = json_unescape(string, out);

        assert_int_equal(n, strlen(cases[i].text));
        assert_memory_equal(out, cases[i].text, n);
    }
}

static void an_escaped_nul_is_unescaped_to_one(void **state)
{
    char out[16];

    (void)state;
    assert_int_equal(json_unescape(top_of("\"a\\u0000b\""), out), 3);
    assert_memory_equal(out, "a\0b", 3);
}

static void quoting_makes_a_string_of_any_bytes(void **state)
{
    static const struct {
        const char *text, *quoted;
    } cases[] = {
        {"", "\"\""},
        {"a\"b\\c/", "\"a\\\"b\\\\c/\""},
        {"\b\f\n\r\t\x01\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\""},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"a\xff"
         "b",
         "\"a\xef\xbf\xbd"
         "b\""},
        {"\xe2\x82", "\"\xef\xbf\xbd\""},
        {"\xe2\x82\xc3\xa9", "\"\xef\xbf\xbd\xc3\xa9\""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf buf = {0};

        json_quote(&buf, cases[i].text, strlen(cases[i].text));
        buf_add(&buf, "", 1);
        assert_string_equal(buf_at(&buf), cases[i].quoted);
        buf_done(&buf);
    }
}

static void a_nul_byte_is_quoted_as_an_escape(void **state)
{
    struct buf buf = {0};

    (void)state;
    json_quote(&buf, "a\0", 2);
    buf_add(&buf, "", 1);
    assert_string_equal(buf_at(&buf), "\"a\\u0000\"");
    buf_done(&buf);
}

static void compacting_drops_white_space_outside_strings_only(void **state)
{
    struct buf buf = {0};

    (void)state;
    buf_add_text(&buf, "V=");
    json_compact(&buf, top_of(" { \"a b\" : [ 1 , \"\\\" , \" ,\tnull ] ,\r\n\"c\" : { } } "));
    buf_add(&buf, "", 1);
    assert_string_equal(buf_at(&buf), "V={\"a b\":[1,\"\\\" , \",null],\"c\":{}}");
    buf_done(&buf);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_top_is_cut_free_of_white_space),
        cmocka_unit_test(members_come_in_order_without_white_space),
        cmocka_unit_test(items_come_in_order_without_white_space),
        cmocka_unit_test(an_empty_object_has_no_members),
        cmocka_unit_test(the_last_member_of_a_name_wins),
        cmocka_unit_test(a_member_is_found_by_an_escaped_name),
        cmocka_unit_test(a_member_that_is_not_there_leaves_the_result_alone),
        cmocka_unit_test(a_check_finds_a_member_on_its_way),
        cmocka_unit_test(equality_is_of_what_is_spelled),
        cmocka_unit_test(escapes_are_undone),
        cmocka_unit_test(an_escaped_nul_is_unescaped_to_one),
        cmocka_unit_test(quoting_makes_a_string_of_any_bytes),
        cmocka_unit_test(a_nul_byte_is_quoted_as_an_escape),
        cmocka_unit_test(compacting_drops_white_space_outside_strings_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "test.h"

#include <stdio.h>
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

/* The document in memory of just its size, so that the sanitizer sees a read past its end. */
static enum json_kind check_tight(const char *text, size_t n, struct json_fault *fault)
{
    auto_free char *tight = xmalloc(n);

    memcpy(tight, text, n);
    return json_check(tight, n, fault);
}

static void assert_slice(struct json_slice slice, const char *text)
{
    if (slice.n != strlen(text) || memcmp(slice.text, text, slice.n) != 0)
        fail_msg("got %.*s, want %s", (int)slice.n, slice.text, text);
}

static void the_kind_of_the_top_level_is_told(void **state)
{
    static const struct {
        const char *text;
        enum json_kind kind;
    } cases[] = {
        {"{}", JSON_OBJECT},     {"[]", JSON_ARRAY},     {"\"\"", JSON_STRING},
        {"0", JSON_NUMBER},      {"-0", JSON_NUMBER},    {"true", JSON_TRUE},
        {"false", JSON_FALSE},   {"null", JSON_NULL},    {" \t\r\n{ } \n", JSON_OBJECT},
        {"[{}, 1]", JSON_ARRAY}, {"1e999", JSON_NUMBER},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (check_tight(cases[i].text, strlen(cases[i].text), NULL) != cases[i].kind)
            fail_msg("wrong kind: %s", cases[i].text);
}

static void what_the_rfc_allows_passes(void **state)
{
    static const char *const good[] = {
        "123456789012345678901234567890123456789012345678901234567890",
        "-0.0e+00",
        "1E400",
        "1.5e-7",
        "\"\\ud800\"", /* a lone surrogate escape */
        "\"\\u0000\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\uabCD\"",
        "\"\x7f\"", /* DEL is no control character to the RFC */
        "{\"a\":1,\"a\":2}",
        "{\"\":{}}",
        "[[],[[]],{\"a\":[]}]",
        "\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\"",
        "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (check_tight(good[i], strlen(good[i]), NULL) == JSON_BAD)
            fail_msg("refused: %s", good[i]);
}

static void what_the_rfc_forbids_is_refused(void **state)
{
    static const char *const bad[] = {
        "01",       "1.",         ".5",      "+1",      "-",           "1e",          "1e+",
        "0x10",     "--1",        "NaN",     "nul",     "nulls",       "Infinity",    "-Infinity",
        "True",     "'a'",        "[1,]",    "[,1]",    "[1 2]",       "{,}",         "{\"a\"}",
        "{\"a\":}", "{\"a\":1,}", "{a:1}",   "{1:1}",   "[1}",         "{\"a\":1]",   "{}{}",
        "1 2",      "[] //",      "/**/1",   "\"\\x\"", "\"\\u12g4\"", "\"\\U0041\"", "\"a",
        "\"\\",     "\"\\u12",    "\f1",     "\v1",     "\xc2\xa0{}",  "]",           "}",
        ":",        ",",          "\"\\'\"",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (check_tight(bad[i], strlen(bad[i]), NULL) != JSON_BAD)
            fail_msg("passed: %s", bad[i]);
}

static void bytes_that_are_not_utf8_are_refused(void **state)
{
    static const char *const bad[] = {
        "\x80", /* a continuation with no beginning */
        "\xbf",
        "\xc0\x80", /* overlong, two bytes */
        "\xc1\xbf",
        "\xe0\x9f\xbf",     /* overlong, three bytes */
        "\xf0\x8f\xbf\xbf", /* overlong, four bytes */
        "\xed\xa0\x80",     /* the first surrogate */
        "\xed\xbf\xbf",     /* the last one */
        "\xf4\x90\x80\x80", /* one above U+10FFFF */
        "\xf5\x80\x80\x80",
        "\xff",
        "\xc2", /* cut short by the closing quote */
        "\xe2\x82",
        "\xf0\x90\x80",
        "\xe2\x28\xa1",
        "\xf0\x90\x28\x80",
    };
    char text[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int n = snprintf(text, sizeof(text), "\"%s\"", bad[i]);

        if (check_tight(text, (size_t)n, NULL) != JSON_BAD)
            fail_msg("passed: case %zu", i);
    }
}

static void a_byte_order_mark_is_refused(void **state)
{
    (void)state;
    assert_int_equal(check_tight("\xef\xbb\xbf{}", 5, NULL), JSON_BAD);
}

static void no_raw_control_byte_may_stand_in_a_string(void **state)
{
    char text[] = "\"?\"";

    (void)state;
    for (char c = 0; c < 0x20; c++) {
        text[1] = c;
        assert_int_equal(check_tight(text, 3, NULL), JSON_BAD);
    }
    text[1] = 0x20;
    assert_int_equal(check_tight(text, 3, NULL), JSON_STRING);
}

/* Blocks, their overlap and the last few bytes are three ways through the scanner. */
static void a_control_byte_is_found_at_any_place_of_a_string_of_any_length(void **state)
{
    char text[72];

    (void)state;
    for (size_t n = 3; n < sizeof(text); n++) {
        memset(text, 'a', n);
        text[0] = text[n - 1] = '"';
        assert_int_equal(check_tight(text, n, NULL), JSON_STRING);
        for (size_t at = 1; at < n - 1; at++) {
            struct json_fault fault;

            text[at] = '\n';
            assert_int_equal(check_tight(text, n, &fault), JSON_BAD);
            assert_int_equal(fault.at, at);
            text[at] = 'a';
        }
    }
}

/* Write an element of a list, most often a number. */
static void random_element(char *text, size_t size, unsigned *seed)
{
    static const char *const before[] = {"", "", "", "-", " ", " -"};
    const char *sign = before[(unsigned)rand_r(seed) % ARRAY_LEN(before)];
    unsigned number = (unsigned)rand_r(seed);
    char fraction[16] = "";

    number >>= (unsigned)rand_r(seed) % 24;
    if ((unsigned)rand_r(seed) % 2 == 0)
        (void)snprintf(fraction, sizeof(fraction), ".%u", (unsigned)rand_r(seed));
    (void)snprintf(text, size, "%s%u%s", sign, number, fraction);
    if ((unsigned)rand_r(seed) % 16 == 0)
        text[(unsigned)rand_r(seed) % strlen(text)] =
            "0123456789.-+eE "[(unsigned)rand_r(seed) % 16];
}

/* Lists of numbers are checked in blocks. */
static void an_element_of_a_list_is_checked_like_a_text_of_its_own(void **state)
{
    unsigned seed = 1;
    size_t n_bad = 0;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        char list[512] = "[", element[32];
        size_t n = 1, bad_at = 0;
        struct json_fault fault;

        for (unsigned count = 2 + (unsigned)rand_r(&seed) % 15; count > 0; count--) {
            random_element(element, sizeof(element), &seed);
            if (bad_at == 0 && json_check(element, strlen(element), &fault) == JSON_BAD)
                bad_at = n + fault.at;
            n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%c", element,
                                  count > 1 ? ',' : ']');
        }
        n_bad += bad_at > 0;
        if ((check_tight(list, n, &fault) == JSON_BAD) != (bad_at > 0) ||
            (bad_at > 0 && fault.at != bad_at))
            fail_msg("%s: bad at %zu, want %zu", list, fault.at, bad_at);
    }
    assert_in_range(n_bad, 1000, 19000); /* both kinds of list were tried */
}

static void a_nul_byte_is_not_the_end(void **state)
{
    (void)state;
    assert_int_equal(check_tight("1\0", 2, NULL), JSON_BAD);
    assert_int_equal(check_tight("\0", 1, NULL), JSON_BAD);
    assert_int_equal(check_tight("[\0]", 3, NULL), JSON_BAD);
    assert_int_equal(check_tight("\"\\\0\"", 4, NULL), JSON_BAD);
}

static void an_empty_text_may_be_null(void **state)
{
    struct json_fault fault;

    (void)state;
    assert_int_equal(json_check(NULL, 0, &fault), JSON_BAD);
    assert_int_equal(fault.at, 0);
}

/* Arrays within objects within arrays, so that both kinds of level are counted. */
static enum json_kind check_nested(size_t depth, struct json_fault *fault)
{
    struct buf buf = {0};
    enum json_kind kind;

    for (size_t i = 0; i < depth; i++)
        buf_add_text(&buf, i % 3 == 1 ? "{\"k\":" : "[");
    buf_add_text(&buf, "1");
    for (size_t i = depth; i-- > 0;)
        buf_add_text(&buf, i % 3 == 1 ? "}" : "]");
    kind = json_check(buf_at(&buf), buf_len(&buf), fault);
    buf_done(&buf);
    return kind;
}

static void nesting_up_to_the_limit_passes(void **state)
{
    (void)state;
    assert_int_equal(check_nested(JSON_DEPTH_MAX - 1, NULL), JSON_ARRAY);
    assert_int_equal(check_nested(JSON_DEPTH_MAX, NULL), JSON_ARRAY);
}

static void nesting_one_above_the_limit_is_refused_as_too_deep(void **state)
{
    struct json_fault fault;
    char said[64];

    (void)state;
    assert_int_equal(check_nested(JSON_DEPTH_MAX + 1, &fault), JSON_BAD);
    json_fault_say(&fault, "", fault.at, said, sizeof(said));
    assert_string_equal(said, "exceeded max depth");
}

static void a_million_open_brackets_are_refused_and_harmless(void **state)
{
    size_t n = 1000000;
    auto_free char *text = xmalloc(n);

    (void)state;
    memset(text, '[', n);
    assert_int_equal(json_check(text, n, NULL), JSON_BAD);
}

static void levels_closed_do_not_count_against_the_limit(void **state)
{
    struct buf buf = {0};

    (void)state;
    buf_add_text(&buf, "[0");
    for (int i = 0; i < 2 * JSON_DEPTH_MAX; i++)
        buf_add_text(&buf, ",[],{},[{\"a\":0}]");
    buf_add_text(&buf, "]");
    assert_int_equal(json_check(buf_at(&buf), buf_len(&buf), NULL), JSON_ARRAY);
    buf_done(&buf);
}

static void faults_are_said_in_the_words_of_go(void **state)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"XXX", "invalid character 'X' looking for beginning of value"},
        {"", "unexpected end of JSON input"},
        {" \n ", "unexpected end of JSON input"},
        {"{\"a\":", "unexpected end of JSON input"},
        {"\"\xe2\x82", "unexpected end of JSON input"},
        {"{} b", "invalid character 'b' after top-level value"},
        {"01", "invalid character '1' after top-level value"},
        {"\"a\nb\"", "invalid character '\\n' in string literal"},
        {"\"a\x01"
         "b\"",
         "invalid character '\\x01' in string literal"},
        {"\"\xff\"", "invalid character '\\xff' in string literal"},
        {"{\"a\" 1}", "invalid character '1' after object key"},
        {"{\"a\":1 \"b\":2}", "invalid character '\"' after object key:value pair"},
        {"[1 2]", "invalid character '2' after array element"},
        {"-x", "invalid character 'x' in numeric literal"},
        {"1.x", "invalid character 'x' after decimal point in numeric literal"},
        {"1ex", "invalid character 'x' in exponent of numeric literal"},
        {"{a", "invalid character 'a' looking for beginning of object key string"},
        {"{\"a\":1,}", "invalid character '}' looking for beginning of object key string"},
        {"[1,]", "invalid character ']' looking for beginning of value"},
        {"\"\\x\"", "invalid character 'x' in string escape code"},
        {"\"\\u00x", "invalid character 'x' in \\u hexadecimal character escape"},
        {"trux", "invalid character 'x' in literal true (expecting 'e')"},
        {"falsx", "invalid character 'x' in literal false (expecting 'e')"},
        {"nux", "invalid character 'x' in literal null (expecting 'l')"},
        {"'a'", "invalid character '\\'' looking for beginning of value"},
        {"\\", "invalid character '\\\\' looking for beginning of value"},
        {"\x7f", "invalid character '\\x7f' looking for beginning of value"},
    };
    struct json_fault fault;
    char said[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = strlen(cases[i].text);

        assert_int_equal(check_tight(cases[i].text, n, &fault), JSON_BAD);
        json_fault_say(&fault, cases[i].text, n, said, sizeof(said));
        assert_string_equal(said, cases[i].said);
    }
}

static void a_fault_is_cut_to_the_room_given(void **state)
{
    struct json_fault fault;
    char said[8] = "-------";

    (void)state;
    assert_int_equal(json_check("XXX", 3, &fault), JSON_BAD);
    json_fault_say(&fault, "XXX", 3, said, sizeof(said));
    assert_string_equal(said, "invalid");
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
        cmocka_unit_test(the_kind_of_the_top_level_is_told),
        cmocka_unit_test(what_the_rfc_allows_passes),
        cmocka_unit_test(what_the_rfc_forbids_is_refused),
        cmocka_unit_test(bytes_that_are_not_utf8_are_refused),
        cmocka_unit_test(a_byte_order_mark_is_refused),
        cmocka_unit_test(no_raw_control_byte_may_stand_in_a_string),
        cmocka_unit_test(a_control_byte_is_found_at_any_place_of_a_string_of_any_length),
        cmocka_unit_test(an_element_of_a_list_is_checked_like_a_text_of_its_own),
        cmocka_unit_test(a_nul_byte_is_not_the_end),
        cmocka_unit_test(an_empty_text_may_be_null),
        cmocka_unit_test(nesting_up_to_the_limit_passes),
        cmocka_unit_test(nesting_one_above_the_limit_is_refused_as_too_deep),
        cmocka_unit_test(a_million_open_brackets_are_refused_and_harmless),
        cmocka_unit_test(levels_closed_do_not_count_against_the_limit),
        cmocka_unit_test(faults_are_said_in_the_words_of_go),
        cmocka_unit_test(a_fault_is_cut_to_the_room_given),
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

#include "test.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/utf8.h"
#include "base/util.h"

/* The document in memory of just its size, so that the sanitizer sees a read past its end. */
static enum json_kind check_tight(const char *text, size_t n, struct json_fault *fault)
{
    auto_free char *tight = xmalloc(n);

    memcpy(tight, text, n);
    return json_check(tight, n, fault);
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

/* Whether a string's characters are well-formed, read one after the other. n: bytes, the quotes
 * included. false: *wrong is the offset of the byte that is wrong. */
static bool is_well_formed(const uint8_t *text, size_t n, size_t *wrong)
{
    const uint8_t *at = text + 1, *end = text + n;
    bool good = true;

    while (good && *at != '"')
        if (*at < 0x80)
            at++;
        else
            good = utf8_next(&at, end);
    *wrong = (size_t)(at - text);
    return good;
}

/* Characters are checked in blocks. Each four bytes here are tried at each place of a block. */
static void characters_in_a_block_are_checked_like_single_ones(void **state)
{
    static const uint8_t edges[] = {'a', 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2, 0xff};
    const unsigned n_edges = ARRAY_LEN(edges), per_lead = n_edges * n_edges * n_edges;
    uint8_t text[64];

    (void)state;
    for (unsigned i = 0x80 * per_lead; i < 0x100 * per_lead; i++) {
        size_t n_before = i / 3 % 19, n_after = i % 3 == 0 ? i / 57 % 16 : 16;
        size_t n = 1, wrong;
        struct json_fault fault;

        text[0] = '"';
        if (n_before % 2 == 1)
            text[n++] = 'e';
        while (n <= n_before) { /* an e with an accent */
            text[n++] = 0xc3;
            text[n++] = 0xa9;
        }
        text[n++] = (uint8_t)(i / per_lead);
        text[n++] = edges[i / (n_edges * n_edges) % n_edges];
        text[n++] = edges[i / n_edges % n_edges];
        text[n++] = edges[i % n_edges];
        memset(text + n, 'e', n_after);
        n += n_after;
        text[n++] = '"';
        if (i % 2 == 0) {
            memset(text + n, ' ', 16);
            n += 16;
        }
        if (is_well_formed(text, n, &wrong)) {
            if (check_tight((char *)text, n, NULL) != JSON_STRING)
                fail_msg("refused: case %x behind %zu bytes", i, n_before);
        } else if (check_tight((char *)text, n, &fault) != JSON_BAD || fault.at != wrong) {
            fail_msg("not refused at %zu: case %x behind %zu bytes", wrong, i, n_before);
        }
    }
}

static void a_wrong_digit_of_an_escape_is_found_at_any_place(void **state)
{
    struct json_fault fault;

    (void)state;
    for (size_t at = 3; at < 7; at++)
        for (unsigned byte = 0; byte < 256; byte++) {
            char text[] = "\"\\uAf09\"";
            bool is_digit = byte < 0x80 && isxdigit((int)byte);

            text[at] = (char)byte;
            assert_int_equal(json_check(text, 8, &fault), is_digit ? JSON_STRING : JSON_BAD);
            if (!is_digit)
                assert_int_equal(fault.at, at);
        }
    for (size_t n = 1; n < 8; n++) {
        assert_int_equal(check_tight("\"\\uAf09\"", n, &fault), JSON_BAD);
        assert_int_equal(fault.at, n);
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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kind_of_the_top_level_is_told),
        cmocka_unit_test(what_the_rfc_allows_passes),
        cmocka_unit_test(what_the_rfc_forbids_is_refused),
        cmocka_unit_test(bytes_that_are_not_utf8_are_refused),
        cmocka_unit_test(characters_in_a_block_are_checked_like_single_ones),
        cmocka_unit_test(a_wrong_digit_of_an_escape_is_found_at_any_place),
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

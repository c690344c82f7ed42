/* Base64 of small texts, both ways, and what the code of an action may look like. */

#include "test.h"

#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/util.h"

static const struct {
    const char *plain;
    const char *encoded;
} pairs[] = {
    {"", ""},
    {"w", "dw=="},
    {"wh", "d2g="},
    {"whi", "d2hp"},
    {"wh w", "d2ggdw=="},
    {"\xfb\xff\xfe", "+//+"},
    {"{\"name\":\"Joe\"}", "eyJuYW1lIjoiSm9lIn0="},
};

static void texts_go_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        size_t n = strlen(pairs[i].plain), n_encoded = strlen(pairs[i].encoded);
        struct buf out = {0}, back = {0};

        base64_encode(&out, pairs[i].plain, n);
        assert_int_equal(buf_len(&out), n_encoded);
        assert_true(n == 0 || memcmp(buf_at(&out), pairs[i].encoded, n_encoded) == 0);
        assert_true(base64_decode(&back, pairs[i].encoded, n_encoded));
        assert_int_equal(buf_len(&back), n);
        assert_true(n == 0 || memcmp(buf_at(&back), pairs[i].plain, n) == 0);
        buf_done(&out);
        buf_done(&back);
    }
}

/* Longer than what the library is given at a time, whole threes or not. */
static void long_texts_go_both_ways_in_one_piece(void **state)
{
    char plain[30001];

    (void)state;
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (char)(i * 7 + i / 256);
    for (size_t n = sizeof(plain) - 3; n <= sizeof(plain); n++) {
        struct buf out = {0}, back = {0};

        base64_encode(&out, plain, n);
        assert_int_equal(buf_len(&out), (n + 2) / 3 * 4);
        assert_null(memchr(buf_at(&out), '=', buf_len(&out) - 2));
        assert_true(base64_decode(&back, buf_at(&out), buf_len(&out)));
        assert_int_equal(buf_len(&back), n);
        assert_memory_equal(buf_at(&back), plain, n);
        buf_done(&out);
        buf_done(&back);
    }
}

static void padding_may_be_missing(void **state)
{
    struct buf out = {0};

    (void)state;
    assert_true(base64_decode(&out, "d2g", 3));
    assert_memory_equal(buf_at(&out), "wh", 2);
    buf_done(&out);
}

/* base64(1) writes 76 characters in a line, Ruby's encode64() 60. */
static void line_ends_are_left_out(void **state)
{
    static const char *const texts[] = {"d2hp\nc2s=\n", "d2hp\r\nc2s=\r\n", "d\n2hpc2s",
                                        "d2hpc2s\n=\n"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct buf out = {0};

        assert_true(base64_decode(&out, texts[i], strlen(texts[i])));
        assert_int_equal(buf_len(&out), 5);
        assert_memory_equal(buf_at(&out), "whisk", 5);
        buf_done(&out);
    }
}

static void long_texts_in_lines_come_out_whole(void **state)
{
    enum {
        N_LINES = 1000,
        LINE_BYTES = 45
    };
    struct buf lines = {0}, out = {0};

    (void)state;
    for (size_t i = 0; i < N_LINES; i++) {
        char plain[LINE_BYTES];

        memset(plain, (int)(i % 251), sizeof(plain));
        base64_encode(&lines, plain, sizeof(plain));
        buf_add_text(&lines, "\n");
    }
    assert_true(base64_decode(&out, buf_at(&lines), buf_len(&lines)));
    assert_int_equal(buf_len(&out), N_LINES * LINE_BYTES);
    for (size_t i = 0; i < N_LINES * LINE_BYTES; i++)
        assert_int_equal((unsigned char)buf_at(&out)[i], i / LINE_BYTES % 251);
    buf_done(&lines);
    buf_done(&out);
}

static void what_is_none_leaves_nothing(void **state)
{
    static const char *const wrong[] = {"d",     "d2hpc", "d2hp!", "d=hp",  "dw===",    "<svg/>",
                                        " d2hp", "dw=",   "d2g==", "d2hp=", "d2hp==",   "d2hp====",
                                        "=",     "==",    "====",  "d\n",   "d2hp c2s", "d2hp\n2"};
    struct buf out = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_false(base64_decode(&out, wrong[i], strlen(wrong[i])));
    assert_int_equal(buf_len(&out), 0);
    buf_done(&out);
}

/* What Go 1.26 says, where this is its rule. FINE: the text is valid. */
#define FINE SIZE_MAX

static const struct {
    const char *text;
    size_t fault_at;
} codes[] = {
    {"", FINE},         {"QUJD", FINE},   {"QU==", FINE},     {"QUJ=", FINE},
    {"QUJ=\n", FINE},   {"QU=\n=", FINE}, {"QU\r\nJD", FINE}, {"QUJD\tQUJD ", FINE},
    {"Q", 0},           {"QU", 0},        {"QUJ", 0},         {"QUJDR", 4},
    {"QUJDREV", 4},     {"Q=", 1},        {"QU=", 3},         {"QUJD=", 4},
    {"QUJDR=", 5},      {"QUJDR==", 5},   {"QUJDR===", 5},    {"=", 0},
    {"QU=D", 2},        {"QU==QUJD", 4},  {"QU=\n", 4},       {"QUJ\n", 1},
    {"QUJD\n\nR", 6},   {"QUJ==", 4},     {"QU=x", 2},        {"QUJ=x", 4},
    {"QU\n=\n=\nx", 7}, {"Q\n", 1},       {"QU!D", 2},        {"!", 0},
};

static void the_code_of_an_action_goes_by_the_rules_of_go(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        struct base64_text found;
        bool is_fine = base64_check(codes[i].text, strlen(codes[i].text), &found);

        assert_int_equal(is_fine, codes[i].fault_at == FINE);
        if (is_fine)
            assert_int_equal(found.n_chars % 4, 0);
        else
            assert_int_equal(found.fault_at, codes[i].fault_at);
    }
}

static void any_kind_of_gap_is_left_out_of_code(void **state)
{
    static const char gaps[] = "\r\n \t";

    (void)state;
    for (const char *gap = gaps; *gap != '\0'; gap++) {
        char text[] = "d2hp?c2s=";
        struct base64_text found;

        *strchr(text, '?') = *gap;
        assert_true(base64_check(text, strlen(text), &found));
        assert_int_equal(base64_replace(text, strlen(text), text), 5);
        assert_memory_equal(text, "whisk", 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_go_both_ways),
        cmocka_unit_test(long_texts_go_both_ways_in_one_piece),
        cmocka_unit_test(padding_may_be_missing),
        cmocka_unit_test(line_ends_are_left_out),
        cmocka_unit_test(long_texts_in_lines_come_out_whole),
        cmocka_unit_test(what_is_none_leaves_nothing),
        cmocka_unit_test(the_code_of_an_action_goes_by_the_rules_of_go),
        cmocka_unit_test(any_kind_of_gap_is_left_out_of_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

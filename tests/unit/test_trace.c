#include "test.h"

#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "http/trace.h"

/* What is taken from headers is tested over HTTP: tests/conformance/test_trace.py. */

static struct json_slice object(const char *text)
{
    assert_int_equal(json_check(text, strlen(text), NULL), JSON_OBJECT);
    return json_top(text, strlen(text));
}

static void assert_members(const char *body, const char *parent, const char *state, const char *id,
                           const char *wanted)
{
    struct trace trace = {.any = true};
    const char *const texts[] = {parent, state, id};
    auto_buf struct buf out = {0};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (texts[i] != NULL)
            trace.values[i] = (struct span){texts[i], strlen(texts[i])};
    trace_members(&trace, object(body), &out);
    assert_int_equal(buf_len(&out), strlen(wanted));
    assert_memory_equal(buf_at(&out), wanted, strlen(wanted));
}

static void each_header_becomes_a_member_with_its_comma(void **state)
{
    (void)state;
    assert_members("{\"a\":1}", "p", NULL, NULL, "\"traceparent\":\"p\",");
    assert_members("{\"a\":1}", NULL, NULL, "t", "\"transaction_id\":\"t\",");
    assert_members("{}", NULL, NULL, NULL, "");
    assert_members("{\"a\":1}", "p", "s", "t",
                   "\"traceparent\":\"p\",\"tracestate\":\"s\",\"transaction_id\":\"t\",");
}

static void what_the_object_has_is_not_added(void **state)
{
    (void)state;
    assert_members("{\"traceparent\":null}", "p", NULL, "t", "\"transaction_id\":\"t\",");
    assert_members("{\"traceparent\":1}", "p", "s", NULL, "");
    assert_members("{\"tracestate\":1}", "p", "s", NULL, "\"traceparent\":\"p\",");
    assert_members("{\"transaction_id\":\"\"}", NULL, NULL, "t", "");
    assert_members("{\"value\":{\"transaction_id\":1}}", NULL, NULL, "t",
                   "\"transaction_id\":\"t\",");
}

static void the_longest_of_all_fit(void **state)
{
    char text[512];
    struct trace trace = {.values = {{text, 55}, {text, 512}, {text, 128}}, .any = true};
    auto_buf struct buf out = {0};

    (void)state;
    memset(text, 'x', sizeof(text));
    trace_members(&trace, object("{\"a\":1}"), &out);
    assert_true(buf_len(&out) > 55 + 512 + 128 && buf_len(&out) <= TRACE_MEMBERS_MAX_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_header_becomes_a_member_with_its_comma),
        cmocka_unit_test(what_the_object_has_is_not_added),
        cmocka_unit_test(the_longest_of_all_fit),
    };

    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}

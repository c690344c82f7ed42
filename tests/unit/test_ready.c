/* ready: what a launcher's first line says. */

#include "test.h"

#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "worker/ready.h"

static void a_line_that_says_ok_is_ready(void **state)
{
    static const struct {
        const char *line;
        unsigned pipeline;
        unsigned concurrent;
    } cases[] = {
        {"{\"ok\":true}", 0, 0},
        {" { \"ok\" : true , \"more\": [1] } ", 0, 0},
        {"{\"ok\":true,\"pipeline\":64}", 64, 0},
        {"{\"pipeline\":1,\"ok\":true}", 1, 0},
        {"{\"ok\":true,\"pipeline\":0}", 1, 0},
        {"{\"ok\":true,\"pipeline\":\"64\"}", 0, 0},
        {"{\"ok\":true,\"concurrent\":200}", 0, 200},
        {"{\"ok\":true,\"concurrent\":0,\"pipeline\":2}", 2, 1},
        {"{\"ok\":true,\"concurrent\":1000000}", 0, READY_CONCURRENT_MAX},
        {"{\"ok\":true,\"concurrent\":-1,\"pipeline\":-4294967290}", 1, 1},
        {"{\"ok\":true,\"concurrent\":4294967296}", 0, READY_CONCURRENT_MAX},
        {"{\"ok\":true,\"concurrent\":99999999999999999999999}", 0, READY_CONCURRENT_MAX},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ready ready = {.pipeline = 77, .concurrent = 77};
        struct err err;

        assert_int_equal(ready_read(&ready, cases[i].line, strlen(cases[i].line), &err), 0);
        assert_int_equal(ready.pipeline, cases[i].pipeline);
        assert_int_equal(ready.concurrent, cases[i].concurrent);
    }
}

static void any_other_line_is_a_refusal_with_its_reason(void **state)
{
    static const struct {
        const char *line;
        enum err_kind kind;
        const char *text;
    } cases[] = {
        {NULL, ERR_ACTION, "The action did not initialize properly."},
        {"{}", ERR_ACTION, "The action did not initialize properly."},
        {"[]", ERR_ACTION, "The action did not initialize properly."},
        {"{\"ok\":false}", ERR_ACTION, "The action did not initialize properly."},
        {"{\"ok\":\"true\"}", ERR_ACTION, "The action did not initialize properly."},
        {"{\"ok\":false,\"error\":5}", ERR_ACTION, "The action did not initialize properly."},
        {"{\"ok\":false,\"error\":\"no \\\"main\\\"\"}", ERR_CODE, "no \"main\""},
        {"{\"error\":\"why\"}", ERR_CODE, "why"},
        {"{\"error\":\"\"}", ERR_ACTION, "The action did not initialize properly."},
        {"{\"error\":\"\\u0000why\"}", ERR_ACTION, "The action did not initialize properly."},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = cases[i].line != NULL ? strlen(cases[i].line) : 0;
        struct ready ready;
        struct err err;

        assert_int_equal(ready_read(&ready, cases[i].line, n, &err), -1);
        assert_int_equal(err.kind, cases[i].kind);
        assert_string_equal(err.text, cases[i].text);
    }
}

static void a_line_that_is_no_json_says_where(void **state)
{
    struct ready ready;
    struct err err;

    (void)state;
    assert_int_equal(ready_read(&ready, "hello", 5, &err), -1);
    assert_int_equal(err.kind, ERR_ACTION);
    assert_true(strlen(err.text) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_that_says_ok_is_ready),
        cmocka_unit_test(any_other_line_is_a_refusal_with_its_reason),
        cmocka_unit_test(a_line_that_is_no_json_says_where),
    };

    return cmocka_run_group_tests_name("ready", tests, NULL, NULL);
}

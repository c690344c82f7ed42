/* activation: from bodies to lines, and from outcomes to texts. */

#include "test.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/util.h"
#include "worker/contract.h"
#include "worker/job.h"

static bool check(const char *text, struct contract_body *body, char *why, size_t size)
{
    return contract_check(text, strlen(text), body, why, size);
}

static void bodies_are_objects_or_null(void **state)
{
    struct contract_body body;
    char text[256];

    (void)state;
    assert_true(check(" {\"a\":1} ", &body, text, sizeof(text)));
    assert_int_equal(body.top.kind, JSON_OBJECT);
    assert_int_equal(body.top.n, strlen("{\"a\":1}"));
    assert_true(check("null", &body, text, sizeof(text)));
    assert_int_equal(body.top.n, 2);
    assert_memory_equal(body.top.text, "{}", 2);
}

static void what_is_wrong_with_a_body_is_said(void **state)
{
    static const char *const cases[][2] = {
        {"", "unexpected end of JSON input"},
        {"x", "invalid character 'x' looking for beginning of value"},
        {"[]", "the body must be a JSON object"},
        {"1", "the body must be a JSON object"},
    };
    struct contract_body body;
    char wanted[256];
    char text[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_false(check(cases[i][0], &body, text, sizeof(text)));
        (void)snprintf(wanted, sizeof(wanted), "Error unmarshaling request: %s", cases[i][1]);
        assert_string_equal(text, wanted);
    }
}

static void arguments_are_objects_lists_null_or_absent(void **state)
{
    static const struct {
        const char *body;
        bool wanted;
    } cases[] = {
        {"{}", true},
        {"{\"value\":{}}", true},
        {"{\"value\":[]}", true},
        {"{\"value\":null}", true},
        {"{\"value\":1}", false},
        {"{\"value\":\"a\"}", false},
        {"{\"value\":false}", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(contract_is_argument(json_top(cases[i].body, strlen(cases[i].body))),
                         cases[i].wanted);
}

/* What a body becomes to which "t":1 is added. */
static void assert_line(const char *body, const char *wanted)
{
    struct job job = {.line = NULL};

    contract_set_line(&job, json_top(body, strlen(body)), "\"t\":1,", strlen("\"t\":1,"));
    assert_int_equal(job.len, strlen(wanted));
    assert_memory_equal(job.line, wanted, job.len);
    free(job.line);
}

static void a_body_becomes_one_line(void **state)
{
    (void)state;
    assert_line("{\n\"a\":\r\n \"x\\n\"}", "{\"t\":1, \"a\":   \"x\\n\"}\n");
}

static void in_an_empty_object_no_comma_follows_the_last_member(void **state)
{
    (void)state;
    assert_line("{ \n }", "{\"t\":1   }\n");
}

/* INT64_MAX: there is none */
static int64_t left_ms(const char *deadline)
{
    struct contract_body body;
    char text[128], why[256];
    int64_t left;

    (void)snprintf(text, sizeof(text), "{\"deadline\":%s}", deadline);
    assert_true(check(text, &body, why, sizeof(why)));
    return contract_left_ms(&body, &left) ? left : INT64_MAX;
}

static void a_deadline_is_a_moment_in_whole_milliseconds(void **state)
{
    static const char *const none[] = {"\"\"",   "null", "-1", "1e20",
                                       "\"1x\"", "{}",   "[]", "9999999999999999999"};
    static const char *const past[] = {"\"123\"", "0", "1.5"};
    static const char *const around[][2] = {{"", ""}, {"\"", "\""}, {"", ".5"}, {"\"", ".0\""}};
    struct timespec now;
    char text[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_true(left_ms(none[i]) == INT64_MAX);
    for (size_t i = 0; i < ARRAY_LEN(past); i++)
        assert_true(left_ms(past[i]) < 0);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    for (size_t i = 0; i < ARRAY_LEN(around); i++) {
        (void)snprintf(text, sizeof(text), "%s%lld000%s", around[i][0],
                       (long long)now.tv_sec + 1000, around[i][1]);
        assert_in_range(left_ms(text), 1, 1000000);
    }
}

static void objects_and_lists_are_answers(void **state)
{
    static const struct {
        const char *answer;
        bool wanted;
    } cases[] = {{"{}", true}, {"[1]", true}, {"1", false}, {"\"a\"", false}, {"{", false}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct job job = {.outcome = JOB_ANSWERED,
                          .answer = (char *)(uintptr_t)cases[i].answer,
                          .answer_len = strlen(cases[i].answer)};

        assert_int_equal(contract_is_answered(&job), cases[i].wanted);
        job.outcome = JOB_DIED;
        assert_false(contract_is_answered(&job));
    }
}

static void what_was_returned_instead_of_an_object_is_said(void **state)
{
    static const struct {
        const char *answer;
        const char *text;
    } cases[] = {
        {"\"Hi\"", "it returned a string: \"Hi\""},
        {"7.5", "it returned a number: 7.5"},
        {"true", "it returned a boolean: true"},
        {"null", "it returned nothing: null"},
        {"{\"a\":", "it returned no JSON document: {\"a\":"},
        /* the 100th byte is the first of two of a character: it is left out with its second */
        {"\"01234567890123456789012345678901234567890123456789"
         "0123456789012345678901234567890123456789abcdefgh\u00e4\"",
         "it returned a string: \"01234567890123456789012345678901234567890123456789"
         "0123456789012345678901234567890123456789abcdefgh..."},
    };
    char text[160];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct job job = {.outcome = JOB_ANSWERED,
                          .answer = (char *)(uintptr_t)cases[i].answer,
                          .answer_len = strlen(cases[i].answer)};

        contract_say_more(&job, text, sizeof(text));
        assert_string_equal(text, cases[i].text);
    }
}

static void each_failure_has_its_text(void **state)
{
    static const struct {
        enum job_outcome outcome;
        const char *text;
    } cases[] = {
        {JOB_ANSWERED, "The action did not return a dictionary or array."},
        {JOB_DIED, "command exited"},
        {JOB_BYSTANDER, "because"},
        {JOB_EXHAUSTED, "because"},
        {JOB_LATE, "The action exceeded its time limits of 7 milliseconds. because"},
        {JOB_TOO_LONG, "The action's answer is longer than 9 bytes (--answer-max-bytes)."},
        {JOB_UNSTARTED, "cannot start action: because"},
        {JOB_CANCELLED, "The client left before the activation began."},
        {JOB_ABANDONED, "The action is being shut down."},
    };
    char text[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct job job = {.outcome = cases[i].outcome, .limit_ms = 7, .reason = "because"};

        contract_explain(&job, 9, text, sizeof(text));
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_objects_or_null),
        cmocka_unit_test(what_is_wrong_with_a_body_is_said),
        cmocka_unit_test(arguments_are_objects_lists_null_or_absent),
        cmocka_unit_test(a_body_becomes_one_line),
        cmocka_unit_test(in_an_empty_object_no_comma_follows_the_last_member),
        cmocka_unit_test(a_deadline_is_a_moment_in_whole_milliseconds),
        cmocka_unit_test(objects_and_lists_are_answers),
        cmocka_unit_test(what_was_returned_instead_of_an_object_is_said),
        cmocka_unit_test(each_failure_has_its_text),
    };

    return cmocka_run_group_tests_name("activation", tests, NULL, NULL);
}

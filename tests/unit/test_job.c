#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/util.h"
#include "worker/job.h"

static struct log_field member_of(const char *line, const char *member)
{
    struct job job = {.line = (char *)(uintptr_t)line, .len = strlen(line)};

    return job_log_member(&job, member);
}

static void assert_member(const char *line, const char *wanted)
{
    struct log_field field = member_of(line, "activation_id");

    assert_false(field.absent);
    assert_string_equal(field.name, "activation_id");
    assert_int_equal(field.n, strlen(wanted));
    assert_memory_equal(field.text, wanted, field.n);
}

static void a_text_in_the_top_level_of_the_line_is_told(void **state)
{
    (void)state;
    assert_member("{\"activation_id\":\"8a0c\"}\n", "8a0c");
    assert_member(" {\"value\":{\"activation_id\":\"no\"} , \"activation_id\" : \"8a0c\" } \n",
                  "8a0c");
    assert_member("{\"activation_id\":\"1\",\"activation_id\":\"2\"}\n", "2");
    assert_member("{\"activation_id\":\"\"}\n", "");
}

static void what_is_no_text_is_left_out(void **state)
{
    static const char *const lines[] = {
        "{}\n",
        "{\"activation_id\":1}\n",
        "{\"activation_id\":null}\n",
        "{\"activation_id\":[\"x\"]}\n",
        "{\"value\":{\"activation_id\":\"x\"}}\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        assert_true(member_of(lines[i], "activation_id").absent);
}

static void a_long_text_is_cut_at_64_bytes(void **state)
{
    char line[128];

    (void)state;
    for (int n = 63; n <= 65; n++) {
        (void)snprintf(line, sizeof(line), "{\"x\":\"%0*d\"}\n", n, 0);
        assert_int_equal(member_of(line, "x").n, n < 64 ? n : 64);
    }
}

static void a_job_whose_line_went_to_a_tombstone_has_no_members(void **state)
{
    struct job job = {.line = NULL};

    (void)state;
    assert_true(job_log_member(&job, "activation_id").absent);
}

static void each_outcome_has_a_name(void **state)
{
    (void)state;
    for (int outcome = JOB_PENDING; outcome <= JOB_ABANDONED; outcome++)
        assert_non_null(job_outcome_name((enum job_outcome)outcome));
}

/* Which carries an action's log, perhaps another one's. */
static void nothing_is_told_on_stderr(void **state)
{
    struct err err;

    (void)state;
    log_close();
    assert_true(member_of("{\"activation_id\":\"8a0c\"}\n", "activation_id").absent);
    assert_int_equal(log_open("/dev/null", &err), 0);
}

static int open_log(void **state)
{
    struct err err;

    (void)state;
    return log_open("/dev/null", &err);
}

static int close_log(void **state)
{
    (void)state;
    log_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_in_the_top_level_of_the_line_is_told),
        cmocka_unit_test(what_is_no_text_is_left_out),
        cmocka_unit_test(a_long_text_is_cut_at_64_bytes),
        cmocka_unit_test(a_job_whose_line_went_to_a_tombstone_has_no_members),
        cmocka_unit_test(nothing_is_told_on_stderr),
        cmocka_unit_test(each_outcome_has_a_name),
    };

    return cmocka_run_group_tests_name("job", tests, open_log, close_log);
}

/* The vectors of a launch: arguments and environment. */

#include "test.h"

#include <string.h>

#include "base/exec_spec.h"
#include "base/util.h"

static void pushing_to_null_makes_a_vector_of_one(void **state)
{
    char **vector = NULL;

    (void)state;
    strv_push(&vector, xstrdup("a"));
    assert_string_equal(vector[0], "a");
    assert_null(vector[1]);
    strv_free(&vector);
}

static void pushed_texts_keep_their_order(void **state)
{
    char **vector = NULL;

    (void)state;
    strv_push(&vector, xstrdup("a"));
    strv_push(&vector, xstrdup("b"));
    strv_push(&vector, xstrdup("c"));
    assert_string_equal(vector[0], "a");
    assert_string_equal(vector[2], "c");
    assert_null(vector[3]);
    strv_free(&vector);
}

static void freeing_a_vector_leaves_null_and_may_be_repeated(void **state)
{
    char **vector = NULL;

    (void)state;
    strv_push(&vector, xstrdup("a"));
    strv_free(&vector);
    assert_null(vector);
    strv_free(&vector);
    assert_null(vector);
}

static void a_new_variable_is_appended(void **state)
{
    char **env = NULL;

    (void)state;
    strv_setenv(&env, "A", "1");
    strv_setenv(&env, "B", "2");
    assert_string_equal(env[0], "A=1");
    assert_string_equal(env[1], "B=2");
    assert_null(env[2]);
    strv_free(&env);
}

static void a_known_variable_is_replaced_in_place(void **state)
{
    char **env = NULL;

    (void)state;
    strv_setenv(&env, "A", "1");
    strv_setenv(&env, "B", "2");
    strv_setenv(&env, "A", "3");
    assert_string_equal(env[0], "A=3");
    assert_string_equal(env[1], "B=2");
    assert_null(env[2]);
    strv_free(&env);
}

static void a_name_that_begins_like_another_is_another(void **state)
{
    char **env = NULL;

    (void)state;
    strv_setenv(&env, "PATHEXT", "1");
    strv_setenv(&env, "PATH", "2");
    assert_string_equal(env[0], "PATHEXT=1");
    assert_string_equal(env[1], "PATH=2");
    strv_free(&env);
}

static void equals_signs_in_a_value_stay(void **state)
{
    char **env = NULL;

    (void)state;
    strv_setenv(&env, "__OW_X", "a=b=c");
    strv_setenv(&env, "__OW_X", "=d=");
    assert_string_equal(env[0], "__OW_X==d=");
    assert_null(env[1]);
    strv_free(&env);
}

static void a_finished_launch_holds_zeroes(void **state)
{
    static const struct exec_spec zeroes;
    struct exec_spec spec = {.answers = ANSWERS_FD3, .reports_ready = true};

    (void)state;
    spec.cwd = xstrdup("/");
    spec.shortfall = xstrdup("x");
    strv_push(&spec.argv, xstrdup("exec"));
    strv_push(&spec.env, xstrdup("A=1"));
    exec_spec_done(&spec);
    assert_memory_equal(&spec, &zeroes, sizeof(spec));
    exec_spec_done(&spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pushing_to_null_makes_a_vector_of_one),
        cmocka_unit_test(pushed_texts_keep_their_order),
        cmocka_unit_test(freeing_a_vector_leaves_null_and_may_be_repeated),
        cmocka_unit_test(a_new_variable_is_appended),
        cmocka_unit_test(a_known_variable_is_replaced_in_place),
        cmocka_unit_test(a_name_that_begins_like_another_is_another),
        cmocka_unit_test(equals_signs_in_a_value_stay),
        cmocka_unit_test(a_finished_launch_holds_zeroes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What Apache's proxies take in their environment and on their command line. */

#include <string.h>

#include "config_fixture.h"

/* All that the cases below set, or that would mean something else than they say. */
static const char *const variables[] = {
    "FLASK_PROXY_PORT", "OW_LOG_INIT_ERROR",  "WHISKLOOP_PORT",        "WHISKLOOP_LOG_INIT_ERROR",
    "OW_DEBUG",         "PROXY_ALLOW_REINIT", "WHISKLOOP_ALLOW_REINIT"};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    memset(&f->config, 0xff, sizeof(f->config));
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        (void)unsetenv(variables[i]);
    *state = f;
    return 0;
}

static void apaches_variables_keep_their_meaning(void **state)
{
    static const struct {
        const char *value;
        uint64_t wanted;
    } cases[] = {{"", 0}, {"0", 0}, {"1", 1}, {"true", 1}};
    struct fixture *f = *state;

    (void)setenv("FLASK_PROXY_PORT", "8081", 1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        (void)setenv("OW_LOG_INIT_ERROR", cases[i].value, 1);
        read_with(f, NULL, NULL);
        assert_int_equal(f->config.port, 8081);
        assert_int_equal(f->config.log_init_error, cases[i].wanted);
    }
}

static void apaches_variable_allows_a_replacement(void **state)
{
    static const struct {
        const char *reinit;
        uint64_t wanted;
    } cases[] = {{"", 0}, {"0", 0}, {"false", 0}, {"1", 1}};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        (void)setenv("PROXY_ALLOW_REINIT", cases[i].reinit, 1);
        read_with(f, NULL, NULL);
        if (f->config.allow_reinit != cases[i].wanted)
            fail_msg("PROXY_ALLOW_REINIT=%s", cases[i].reinit);
    }
}

static void a_wrong_value_in_apaches_variable_is_named(void **state)
{
    struct fixture *f = *state;

    (void)setenv("FLASK_PROXY_PORT", "http", 1);
    read_with(f, NULL, NULL);
    assert_refused(f, "FLASK_PROXY_PORT=http: want a number from 0 to 65535");
}

static void the_other_proxys_options_take_one_dash_or_two(void **state)
{
    struct fixture *f = *state;
    static const char *const forms[][2] = {{"-compile", "niam"},
                                           {"--compile", "niam"},
                                           {"-compile=niam", NULL},
                                           {"--compile=niam", NULL}};

    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        read_with(f, forms[i][0], forms[i][1]);
        assert_int_equal(f->result, CONFIG_RUN);
        assert_string_equal(f->config.compile_main, "niam");
        assert_null(f->config.compile_env);
        assert_false(f->config.debug);
    }
    read_with(f, "-env", "{\"A\":\"=\"}");
    assert_string_equal(f->config.compile_env, "{\"A\":\"=\"}");
    assert_null(f->config.compile_main);
    read_with(f, "-version", NULL);
    assert_int_equal(f->result, CONFIG_VERSION);
}

static void debug_is_a_flag_and_no_variable(void **state)
{
    struct fixture *f = *state;

    read_with(f, NULL, NULL);
    assert_false(f->config.debug);
    assert_int_equal(f->config.allow_reinit, 0);
    read_with(f, "-debug", NULL);
    assert_true(f->config.debug);
    assert_int_equal(f->config.allow_reinit, 1);
    read_with(f, "-debug", "--allow-reinit=0");
    assert_int_equal(f->config.allow_reinit, 0);
    read_with(f, "-debug=false", NULL);
    assert_false(f->config.debug);
    (void)setenv("OW_DEBUG", "1", 1); /* the action's own business, as with Go's proxy */
    read_with(f, NULL, NULL);
    assert_false(f->config.debug);
    assert_int_equal(f->config.allow_reinit, 0);
    (void)unsetenv("OW_DEBUG");
}

static void what_only_begins_as_such_an_option_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const wrong[] = {"-compiler", "-compile", "-env", "-port=1", "compile", "-"};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        read_with(f, wrong[i], NULL);
        assert_int_equal(f->result, CONFIG_WRONG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(apaches_variables_keep_their_meaning),
        TEST(apaches_variable_allows_a_replacement),
        TEST(a_wrong_value_in_apaches_variable_is_named),
        TEST(the_other_proxys_options_take_one_dash_or_two),
        TEST(debug_is_a_flag_and_no_variable),
        TEST(what_only_begins_as_such_an_option_is_refused),
    };

    return cmocka_run_group_tests_name("config_apache", tests, NULL, NULL);
}

#include "test.h"

#include <string.h>

#include "config_fixture.h"
#include "help.h"

#define DAY_MS 86400000ull
#define GIB    (1ull << 30)

/* What the manual says, written down a second time. */
static const struct number {
    const char *option;
    const char *variable;
    size_t offset;
    uint64_t min;
    uint64_t fallback;
    uint64_t max;
} numbers[] = {
#define N(field) offsetof(struct config, field)
    {"--port", "WHISKLOOP_PORT", N(port), 0, 8080, 65535},
    {"--timeout", "WHISKLOOP_TIMEOUT", N(timeout_ms), 1, 300000, DAY_MS},
    {"--init-timeout", "WHISKLOOP_INIT_TIMEOUT", N(init_timeout_ms), 1, 300000, DAY_MS},
    {"--settle-time", "WHISKLOOP_SETTLE_TIME", N(settle_ms), 1, 100, 60000},
    {"--kill-after", "WHISKLOOP_KILL_AFTER", N(kill_ms), 0, 500, 60000},
    {"--health-interval", "WHISKLOOP_HEALTH_INTERVAL", N(health_ms), 0, 0, DAY_MS},
    {"--restart-pause", "WHISKLOOP_RESTART_PAUSE", N(restart_pause_ms), 0, 100, 60000},
    {"--restart-pause-max", "WHISKLOOP_RESTART_PAUSE_MAX", N(restart_pause_max_ms), 0, 10000,
     86400000},
    {"--broken-after", "WHISKLOOP_BROKEN_AFTER", N(broken_after), 0, 5, 1000000},
    {"--broken-life", "WHISKLOOP_BROKEN_LIFE", N(broken_life_ms), 1, 60000, 86400000},
    {"--drain-timeout", "WHISKLOOP_DRAIN_TIMEOUT", N(drain_timeout_ms), 0, 30000, DAY_MS},
    {"--drain-delay", "WHISKLOOP_DRAIN_DELAY", N(drain_delay_ms), 0, 0, DAY_MS},
    {"--idle-timeout", "WHISKLOOP_IDLE_TIMEOUT", N(idle_timeout_ms), 100, 300000, DAY_MS},
    {"--transfer-timeout", "WHISKLOOP_TRANSFER_TIMEOUT", N(transfer_ms), 100, 60000, DAY_MS},
    {"--connections-max", "WHISKLOOP_CONNECTIONS_MAX", N(connections_max), 1, 4096, 1000000},
    {"--queue-max", "WHISKLOOP_QUEUE_MAX", N(queue_max), 0, 1024, 1000000},
    {"--pipeline", "WHISKLOOP_PIPELINE", N(pipeline), 0, 0, 1024},
    {"--busy-poll", "WHISKLOOP_BUSY_POLL", N(busy_poll_us), 0, 100, 10000},
    {"--write-ahead", "WHISKLOOP_WRITE_AHEAD", N(write_ahead), 1, 64, 1024},
    {"--run-max-bytes", "WHISKLOOP_RUN_MAX_BYTES", N(run_max_bytes), 2, GIB / 16, 4 * GIB},
    {"--init-max-bytes", "WHISKLOOP_INIT_MAX_BYTES", N(init_max_bytes), 2, GIB / 8, 4 * GIB - 1},
    {"--answer-max-bytes", "WHISKLOOP_ANSWER_MAX_BYTES", N(answer_max_bytes), 2, GIB / 16, 4 * GIB},
    {"--pipe-max-bytes", "WHISKLOOP_PIPE_MAX_BYTES", N(pipe_max_bytes), 1, GIB / 16, 1024 * GIB},
    {"--unpack-max-bytes", "WHISKLOOP_UNPACK_MAX_BYTES", N(unpack_max_bytes), 1, GIB, 1024 * GIB},
    {"--unpack-entries-max", "WHISKLOOP_UNPACK_ENTRIES_MAX", N(unpack_entries_max), 1, 100000,
     100000000},
    {"--unpack-ratio-max", "WHISKLOOP_UNPACK_RATIO_MAX", N(unpack_ratio_max), 0, 200, 1000000},
    {"--rlimit-as", "WHISKLOOP_RLIMIT_AS", N(rlimits[LIMIT_AS]), 0, 0, UINT64_C(1) << 62},
    {"--rlimit-nproc", "WHISKLOOP_RLIMIT_NPROC", N(rlimits[LIMIT_NPROC]), 0, 0, UINT32_MAX},
    {"--rlimit-nofile", "WHISKLOOP_RLIMIT_NOFILE", N(rlimits[LIMIT_NOFILE]), 0, 0, UINT32_MAX},
    {"--rlimit-fsize", "WHISKLOOP_RLIMIT_FSIZE", N(rlimits[LIMIT_FSIZE]), 0, 0, UINT64_C(1) << 62},
    {"--rlimit-cpu", "WHISKLOOP_RLIMIT_CPU", N(rlimits[LIMIT_CPU]), 0, 0, UINT32_MAX},
};

static const struct text {
    const char *option;
    const char *variable;
    size_t offset;
    const char *fallback;
    const char *other; /* a value that is accepted, and is not the default */
} texts[] = {
    {"--listen", "WHISKLOOP_LISTEN", N(listen), "0.0.0.0", "::1"},
    {"--admin", "WHISKLOOP_ADMIN", N(admin), "", "unix:/run/admin"},
    {"--runtime", "WHISKLOOP_RUNTIME", N(runtime), "auto", "nodejs"},
    {"--runtime-dir", "WHISKLOOP_RUNTIME_DIR", N(runtime_dir), "", "/r"},
    {"--action-dir", "WHISKLOOP_ACTION_DIR", N(action_dir), "", "/a"},
    {"--action", "WHISKLOOP_ACTION", N(action), "/action", "/code/a.py"},
    {"--main", "WHISKLOOP_MAIN", N(main), "", "niam"},
    {"--functions", "WHISKLOOP_FUNCTIONS", N(functions), "", "predict,train"},
    {"--answers", "WHISKLOOP_ANSWERS", N(answers), "auto", "fd3"},
    {"--pass-headers", "WHISKLOOP_PASS_HEADERS", N(pass_headers), "", "X-Foo"},
    {"--in", "WHISKLOOP_IN", N(in), "", "/i"},
    {"--out", "WHISKLOOP_OUT", N(out), "", "/o"},
    {"--invoke", "WHISKLOOP_INVOKE", N(invoke), "", "{}"},
    {"--user", "WHISKLOOP_USER", N(user), "", "1000:1000"},
    {"--log-level", "WHISKLOOP_LOG_LEVEL", N(log_level), "auto", "debug"},
    {"--log-format", "WHISKLOOP_LOG_FORMAT", N(log_format), "text", "json"},
    {"--log-file", "WHISKLOOP_LOG_FILE", N(log_file), "", "/l"},
    {"--end-marks", "WHISKLOOP_END_MARKS", N(end_marks), "auto", "off"},
#undef N
};

/* --workers, --deadline-margin, --held-max-bytes, --inspect and the switches */
#define N_OTHERS 19

static const char *const other_variables[] = {"FLASK_PROXY_PORT",         "OW_LOG_INIT_ERROR",
                                              "WHISKLOOP_LOG_INIT_ERROR", "OW_DEBUG",
                                              "PROXY_ALLOW_REINIT",       "WHISKLOOP_ALLOW_REINIT"};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    memset(&f->config, 0xff, sizeof(f->config));
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        (void)unsetenv(numbers[i].variable);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        (void)unsetenv(texts[i].variable);
    for (size_t i = 0; i < ARRAY_LEN(other_variables); i++)
        (void)unsetenv(other_variables[i]);
    *state = f;
    return 0;
}

static void read_with_number(struct fixture *f, const char *option, uint64_t value)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    read_with(f, option, text);
}

/* By the end of an option's name, but for those that say no more than their topic. */
static const char *unit_of(const char *option)
{
    static const char *const ms[] = {"timeout", "margin", "time",  "after",   "pause",
                                     "max",     "life",   "delay", "interval"};
    static const char *const plain[] = {
        "--broken-after", "--queue-max",    "--unpack-entries-max", "--unpack-ratio-max",
        "--port",         "--rlimit-nproc", "--rlimit-nofile",      "--connections-max"};

    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        if (strcmp(option, plain[i]) == 0)
            return "";
    if (strcmp(option, "--busy-poll") == 0)
        return " us";
    if (strcmp(option, "--write-ahead") == 0 || strcmp(option, "--pipeline") == 0)
        return " lines";
    if (strcmp(option, "--rlimit-cpu") == 0)
        return " seconds";
    for (size_t i = 0; i < ARRAY_LEN(ms); i++)
        if (strstr(option, "bytes") == NULL && strstr(option, ms[i]) != NULL)
            return " ms";
    return " bytes";
}

static uint64_t number_in(const struct fixture *f, size_t offset)
{
    uint64_t value;

    memcpy(&value, (const char *)&f->config + offset, sizeof(value));
    return value;
}

static const char *text_in(const struct fixture *f, size_t offset)
{
    const char *value;

    memcpy(&value, (const char *)&f->config + offset, sizeof(value));
    return value;
}

/* ---- defaults ---- */

static void without_options_each_setting_has_its_default(void **state)
{
    struct fixture *f = *state;

    read_with(f, NULL, NULL);
    assert_int_equal(f->result, CONFIG_RUN);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        assert_int_equal(number_in(f, numbers[i].offset), numbers[i].fallback);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_string_equal(text_in(f, texts[i].offset), texts[i].fallback);
    assert_int_equal(f->config.log_init_error, 0);
    assert_int_equal(f->config.fork_workers, 0);
}

/* ---- numbers ---- */

static void numbers_up_to_both_bounds_are_taken(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        const uint64_t values[] = {numbers[i].min, numbers[i].min + 1, numbers[i].max - 1,
                                   numbers[i].max};

        for (size_t k = 0; k < ARRAY_LEN(values); k++) {
            read_with_number(f, numbers[i].option, values[k]);
            assert_int_equal(f->result, CONFIG_RUN);
            assert_int_equal(number_in(f, numbers[i].offset), values[k]);
        }
    }
}

static void numbers_outside_their_bounds_are_refused(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        char range[64];

        (void)snprintf(range, sizeof(range), "want a number from %llu to %llu%s",
                       (unsigned long long)numbers[i].min, (unsigned long long)numbers[i].max,
                       unit_of(numbers[i].option));
        read_with_number(f, numbers[i].option, numbers[i].max + 1);
        assert_int_equal(f->result, CONFIG_WRONG);
        assert_non_null(strstr(f->err.text, range));
        if (numbers[i].min == 0)
            continue;
        read_with_number(f, numbers[i].option, numbers[i].min - 1);
        assert_int_equal(f->result, CONFIG_WRONG);
    }
}

static void what_is_no_number_is_refused(void **state)
{
    static const char *const values[] = {"",     "x",    "80x", " 80",    "80 ",
                                         "+80",  "-80",  "8.0", "0x1f90", "99999999999999999999999",
                                         "80,1", "8_080"};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        char wanted[128];

        (void)snprintf(wanted, sizeof(wanted), "--port=%s: want a number from 0 to 65535",
                       values[i]);
        read_with(f, "--port", values[i]);
        assert_refused(f, wanted);
    }
}

/* ---- texts and switches ---- */

static void each_text_can_be_set(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        read_with(f, texts[i].option, texts[i].other);
        assert_int_equal(f->result, CONFIG_RUN);
        assert_string_equal(text_in(f, texts[i].offset), texts[i].other);
    }
}

static void answers_come_from_one_of_three(void **state)
{
    static const struct {
        const char *value;
        enum config_result result;
    } cases[] = {
        {"auto", CONFIG_RUN},
        {"stdout", CONFIG_RUN},
        {"fd3", CONFIG_RUN},
        {"", CONFIG_WRONG},
        {"aut", CONFIG_WRONG},
        {"autos", CONFIG_WRONG},
        {"fd1", CONFIG_WRONG},
        {"|", CONFIG_WRONG},
        {"AUTO", CONFIG_WRONG},
        {"auto|stdout", CONFIG_WRONG},
        {"d3", CONFIG_WRONG},
        {"stdout|", CONFIG_WRONG},
        {"auto|stdout|fd3", CONFIG_WRONG},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        read_with(f, "--answers", cases[i].value);
        if (f->result != cases[i].result)
            fail_msg("--answers=%s gave %d", cases[i].value, f->result);
    }
    assert_string_equal(f->err.text, "--answers=auto|stdout|fd3: want auto|stdout|fd3");
}

static void a_switch_is_on_by_its_name_alone(void **state)
{
    struct fixture *f = *state;

    read_with(f, "--log-init-error", NULL);
    assert_int_equal(f->result, CONFIG_RUN);
    assert_int_equal(f->config.log_init_error, 1);
}

static void a_switch_can_be_set_either_way(void **state)
{
    struct fixture *f = *state;

    read_with(f, "--log-init-error=1", NULL);
    assert_int_equal(f->config.log_init_error, 1);
    read_with(f, "--log-init-error=0", NULL);
    assert_int_equal(f->config.log_init_error, 0);
}

static void a_switch_takes_no_argument_after_it(void **state)
{
    struct fixture *f = *state;

    read_with(f, "--log-init-error", "--port=1");
    assert_int_equal(f->result, CONFIG_RUN);
    assert_int_equal(f->config.port, 1);
}

/* ---- the form of options ---- */

static void a_value_may_stand_behind_an_equals_sign_or_after_a_space(void **state)
{
    struct fixture *f = *state;

    read_with(f, "--port=1", NULL);
    assert_int_equal(f->config.port, 1);
    read_with(f, "--port", "2");
    assert_int_equal(f->config.port, 2);
}

static void a_value_may_hold_an_equals_sign(void **state)
{
    struct fixture *f = *state;

    read_with(f, "--action-dir=/a=b", NULL);
    assert_string_equal(f->config.action_dir, "/a=b");
}

static void the_last_of_two_options_counts(void **state)
{
    struct fixture *f = *state;

    read_with(f, "--port=1", "--port=2");
    assert_int_equal(f->config.port, 2);
}

static void unknown_options_are_refused(void **state)
{
    static const struct {
        const char *option;
        const char *advice;
    } cases[] = {
        {"--prt", "did you mean --port?"},
        {"--port_", "did you mean --port?"},
        {"--por=1", "did you mean --port?"},
        {"--Workers=2", "did you mean --workers?"},
        {"--time-out", "did you mean --timeout?"},
        {"--log-levle=debug", "did you mean --log-level?"},
        {"--nonsense", "--help all lists them"},
        {"-port", "--help all lists them"},
        {"-p", "--help all lists them"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char wanted[128];

        (void)snprintf(wanted, sizeof(wanted), "%s: no such option; %s", cases[i].option,
                       cases[i].advice);
        read_with(f, cases[i].option, NULL);
        assert_refused(f, wanted);
    }
}

static void a_value_that_is_missing_is_said(void **state)
{
    struct fixture *f = *state;

    read_with(f, "--port", NULL);
    assert_refused(f, "--port: a value is missing (PORT)");
}

static void help_and_version_end_the_program_whatever_else_is_there(void **state)
{
    struct fixture *f = *state;

    read_with(f, "--help", NULL);
    assert_int_equal(f->result, CONFIG_HELP);
    read_with(f, "-h", NULL);
    assert_int_equal(f->result, CONFIG_HELP);
    read_with(f, "--help", "all");
    assert_int_equal(f->result, CONFIG_HELP_ALL);
    read_with(f, "-h", "invoke");
    assert_int_equal(f->result, CONFIG_HELP_COMMAND);
    assert_int_equal(f->config.command, COMMAND_INVOKE);
    read_with(f, "dev", "-h");
    assert_int_equal(f->result, CONFIG_HELP_COMMAND);
    assert_int_equal(f->config.command, COMMAND_DEV);
    read_with(f, "nothing", "-h");
    assert_int_equal(f->result, CONFIG_HELP);
    read_with(f, "--help-markdown", NULL);
    assert_int_equal(f->result, CONFIG_HELP_MD);
    read_with(f, "--version", NULL);
    assert_int_equal(f->result, CONFIG_VERSION);
    read_with(f, "--nonsense", "--help");
    assert_int_equal(f->result, CONFIG_HELP);
    (void)setenv("WHISKLOOP_PORT", "wrong", 1);
    read_with(f, "--help", NULL);
    assert_int_equal(f->result, CONFIG_HELP);
}

static void health_is_asked_with_the_settings_of_the_proxy(void **state)
{
    struct fixture *f = *state;

    read_with(f, "--health", "--admin=127.0.0.1:9090");
    assert_int_equal(f->result, CONFIG_HEALTH);
    assert_string_equal(f->config.admin, "127.0.0.1:9090");
    (void)setenv("WHISKLOOP_ADMIN", "unix:/run/admin", 1);
    read_with(f, "--health", NULL);
    assert_int_equal(f->result, CONFIG_HEALTH);
    assert_string_equal(f->config.admin, "unix:/run/admin");
    read_with(f, "--health", "--nonsense");
    assert_int_equal(f->result, CONFIG_WRONG);
}

/* ---- variables ---- */

static void each_setting_has_a_variable(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        char value[32];

        (void)snprintf(value, sizeof(value), "%llu", (unsigned long long)numbers[i].max);
        (void)setenv(numbers[i].variable, value, 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        (void)setenv(texts[i].variable, texts[i].other, 1);
    (void)setenv("WHISKLOOP_LOG_INIT_ERROR", "1", 1);
    read_with(f, NULL, NULL);
    assert_int_equal(f->result, CONFIG_RUN);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        assert_int_equal(number_in(f, numbers[i].offset), numbers[i].max);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_string_equal(text_in(f, texts[i].offset), texts[i].other);
    assert_int_equal(f->config.log_init_error, 1);
}

static void a_wrong_variable_is_named(void **state)
{
    struct fixture *f = *state;

    (void)setenv("WHISKLOOP_QUEUE_MAX", "many", 1);
    read_with(f, NULL, NULL);
    assert_refused(f, "WHISKLOOP_QUEUE_MAX=many: want a number from 0 to 1000000");
}

static void an_empty_variable_is_no_number(void **state)
{
    struct fixture *f = *state;

    (void)setenv("WHISKLOOP_PORT", "", 1);
    read_with(f, NULL, NULL);
    assert_refused(f, "WHISKLOOP_PORT=: want a number from 0 to 65535");
}

/* docs/platforms/kubernetes.md. */
static void the_address_of_a_kubernetes_service_is_no_port(void **state)
{
    struct fixture *f = *state;

    (void)setenv("WHISKLOOP_PORT", "tcp://10.0.0.1:80", 1);
    read_with(f, NULL, NULL);
    assert_int_equal(f->config.port, 8080);
    read_with(f, "--port=tcp://10.0.0.1:80", NULL);
    assert_refused(f, "--port=tcp://10.0.0.1:80: want a number from 0 to 65535");
    (void)setenv("FLASK_PROXY_PORT", "tcp://10.0.0.1:80", 1);
    read_with(f, NULL, NULL);
    assert_int_equal(f->config.port, 8080);
    (void)setenv("FLASK_PROXY_PORT", "8081", 1);
    read_with(f, NULL, NULL);
    assert_int_equal(f->config.port, 8081);
}

static void the_nearer_source_wins(void **state)
{
    struct fixture *f = *state;

    read_with(f, NULL, NULL);
    assert_int_equal(f->config.port, 8080);
    (void)setenv("FLASK_PROXY_PORT", "1", 1);
    read_with(f, NULL, NULL);
    assert_int_equal(f->config.port, 1);
    (void)setenv("WHISKLOOP_PORT", "2", 1);
    read_with(f, NULL, NULL);
    assert_int_equal(f->config.port, 2);
    read_with(f, "--port=3", NULL);
    assert_int_equal(f->config.port, 3);
}

static void a_switch_can_be_turned_off_by_the_nearer_source(void **state)
{
    struct fixture *f = *state;

    (void)setenv("OW_LOG_INIT_ERROR", "1", 1);
    (void)setenv("WHISKLOOP_LOG_INIT_ERROR", "0", 1);
    read_with(f, NULL, NULL);
    assert_int_equal(f->config.log_init_error, 0);
    read_with(f, "--log-init-error", NULL);
    assert_int_equal(f->config.log_init_error, 1);
}

static void the_number_of_workers_is_a_number_or_auto(void **state)
{
    struct fixture *f = *state;

    read_with(f, NULL, NULL);
    assert_int_equal(f->config.workers, 1);
    read_with(f, "--workers=256", NULL);
    assert_int_equal(f->config.workers, 256);
    read_with(f, "--workers=auto", NULL);
    assert_int_equal(f->config.workers, 0);
    read_with(f, "--workers=0", NULL);
    assert_refused(f, "--workers=0: want a number from 1 to 256, or auto");
    read_with(f, "--workers=10000", NULL);
    assert_refused(f, "--workers=10000: want a number from 1 to 256, or auto");
}

static void a_margin_is_signed_or_auto(void **state)
{
    static const struct {
        const char *text;
        int64_t wanted;
    } cases[] = {{"0", 0}, {"-1", -1}, {"-10000", -10000}, {"10000", 10000}, {"auto", CONFIG_AUTO}};
    static const char *const wrong[] = {"-10001", "10001", "-", "", "1ms", "--1", "+1", " 1"};
    struct fixture *f = *state;

    read_with(f, NULL, NULL);
    assert_true(f->config.deadline_margin_ms == CONFIG_AUTO);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        read_with(f, "--deadline-margin", cases[i].text);
        assert_int_equal(f->result, CONFIG_RUN);
        assert_true(f->config.deadline_margin_ms == cases[i].wanted);
    }
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        char text[96];

        (void)snprintf(text, sizeof(text),
                       "--deadline-margin=%s: want a number from -10000 to 10000 ms, or auto",
                       wrong[i]);
        read_with(f, "--deadline-margin", wrong[i]);
        assert_refused(f, text);
    }
}

static void a_switch_takes_0_or_1_behind_it_and_nothing_else(void **state)
{
    struct fixture *f = *state;

    read_with(f, NULL, NULL);
    assert_int_equal(f->config.prewarmed, 1);
    read_with(f, "--prelaunch", "0");
    assert_int_equal(f->config.prewarmed, 0);
    read_with(f, "--one-at-a-time", "--port=1");
    assert_int_equal(f->config.one_at_a_time, 1);
    assert_int_equal(f->config.port, 1);
}

/* "no" must not turn on what it is to turn off. */
static void other_words_for_a_switch_are_refused(void **state)
{
    static const char *const words[] = {"no", "false", "off", "true", "", "01", "2", "1 "};
    struct fixture *f = *state;
    char option[64], wanted[96];

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        (void)snprintf(option, sizeof(option), "--prelaunch=%s", words[i]);
        (void)snprintf(wanted, sizeof(wanted), "%s: want 0 or 1", option);
        read_with(f, option, NULL);
        assert_refused(f, wanted);
    }
    (void)setenv("WHISKLOOP_LOG_INIT_ERROR", "false", 1);
    read_with(f, NULL, NULL);
    assert_refused(f, "WHISKLOOP_LOG_INIT_ERROR=false: want 0 or 1");
}

/* ---- help ---- */

static char *written_by(void (*write_help)(FILE *file))
{
    static char
        *text; /* static: gcc takes what open_memstream() keeps of it for a dangling pointer */
    static size_t n;
    FILE *file = open_memstream(&text, &n);

    assert_non_null(file);
    write_help(file);
    (void)fclose(file);
    return text;
}

static void the_help_lists_each_option_with_its_default(void **state)
{
    auto_free char *help = written_by(help_write_all);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        auto_free char *start = xasprintf("\n  %s ", numbers[i].option);
        const char *at = strstr(help, start);
        char fallback[32];

        assert_non_null(at);
        /* The unit may stand on the next line. */
        (void)snprintf(fallback, sizeof(fallback), "[%llu%s",
                       (unsigned long long)numbers[i].fallback,
                       unit_of(numbers[i].option)[0] == '\0' ? "]\n" : "");
        at = strchr(strchr(at + 1, '\n'), '[');
        assert_memory_equal(at, fallback, strlen(fallback));
    }
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_non_null(strstr(help, texts[i].option));
    assert_non_null(strstr(help, "--log-init-error"));
    assert_non_null(strstr(help, "--version"));
}

static void the_short_help_has_a_dozen_options_in_groups(void **state)
{
    auto_free char *help = written_by(help_write);
    unsigned n_options = 0;

    (void)state;
    for (const char *at = help; (at = strstr(at, "\n  --")) != NULL; at++)
        n_options++;
    assert_in_range(n_options, 10, 20);
    assert_non_null(strstr(help, "\nServing:\n"));
    assert_non_null(strstr(help, "\n  --port "));
    assert_non_null(strstr(help, "--listen 127.0.0.1"));
    assert_null(strstr(help, "--unpack-ratio-max"));
}

static void each_topic_begins_at_a_setting_and_lines_are_short(void **state)
{
    auto_free char *help = written_by(help_write_all);

    (void)state;
    for (size_t i = 0; i < n_topics; i++) {
        auto_free char *title = xasprintf("\n%s:\n  --%s", topics[i].title, topics[i].first);

        assert_non_null(strstr(help, title));
    }
    for (const char *line = help; *line != '\0'; line += strcspn(line, "\n") + 1)
        assert_in_range(strcspn(line, "\n"), 0, 80);
}

static void the_markdown_lists_each_option_with_its_variable(void **state)
{
    auto_free char *help = written_by(help_write_markdown);
    unsigned n_rows = 0;

    (void)state;
    for (const char *at = help; (at = strstr(at, "| `--")) != NULL; at++)
        n_rows++;
    assert_int_equal(n_rows, ARRAY_LEN(numbers) + ARRAY_LEN(texts) + N_OTHERS);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        auto_free char *row =
            xasprintf("| `%s` | `%s` | %llu%s |", numbers[i].option, numbers[i].variable,
                      (unsigned long long)numbers[i].fallback, unit_of(numbers[i].option));

        assert_non_null(strstr(help, row));
    }
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const char *fallback = texts[i].fallback[0] != '\0' ? texts[i].fallback : "-";
        auto_free char *row =
            xasprintf("| `%s` | `%s` | %s |", texts[i].option, texts[i].variable, fallback);

        assert_non_null(strstr(help, row));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(without_options_each_setting_has_its_default),
        TEST(numbers_up_to_both_bounds_are_taken),
        TEST(numbers_outside_their_bounds_are_refused),
        TEST(what_is_no_number_is_refused),
        TEST(each_text_can_be_set),
        TEST(answers_come_from_one_of_three),
        TEST(a_switch_is_on_by_its_name_alone),
        TEST(a_switch_can_be_set_either_way),
        TEST(a_switch_takes_no_argument_after_it),
        TEST(a_value_may_stand_behind_an_equals_sign_or_after_a_space),
        TEST(a_value_may_hold_an_equals_sign),
        TEST(the_last_of_two_options_counts),
        TEST(unknown_options_are_refused),
        TEST(a_value_that_is_missing_is_said),
        TEST(help_and_version_end_the_program_whatever_else_is_there),
        TEST(health_is_asked_with_the_settings_of_the_proxy),
        TEST(each_setting_has_a_variable),
        TEST(a_wrong_variable_is_named),
        TEST(an_empty_variable_is_no_number),
        TEST(the_address_of_a_kubernetes_service_is_no_port),
        TEST(the_nearer_source_wins),
        TEST(a_switch_can_be_turned_off_by_the_nearer_source),
        TEST(the_number_of_workers_is_a_number_or_auto),
        TEST(a_margin_is_signed_or_auto),
        TEST(a_switch_takes_0_or_1_behind_it_and_nothing_else),
        TEST(other_words_for_a_switch_are_refused),
        TEST(the_help_lists_each_option_with_its_default),
        TEST(the_short_help_has_a_dozen_options_in_groups),
        TEST(each_topic_begins_at_a_setting_and_lines_are_short),
        TEST(the_markdown_lists_each_option_with_its_variable),
    };

    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}

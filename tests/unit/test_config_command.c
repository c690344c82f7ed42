/* The words of the command line: a command, its FILE, its ARGUMENT. */

#include <string.h>

#include "config_fixture.h"

#define WORDS_MAX 6

static int set_up(void **state)
{
    *state = xcalloc(1, sizeof(struct fixture));
    return 0;
}

/* words: NULL-terminated, those of a shell behind the program's name. */
static void read_words(struct fixture *f, const char *const *words)
{
    static char args[WORDS_MAX + 1][64];
    char *argv[WORDS_MAX + 2] = {args[0]};
    int argc = 1;

    for (; *words != NULL; words++, argc++) {
        assert_true(argc <= WORDS_MAX);
        (void)snprintf(args[argc], sizeof(args[argc]), "%s", *words);
        argv[argc] = args[argc];
    }
    f->err.kind = ERR_NONE;
    f->result = config_read(&f->config, argc, argv, &f->err);
}

/* As an entrypoint it is started with the words of others behind its own. */
static void words_behind_the_proxy_of_an_image_are_ignored(void **state)
{
    struct fixture *f = *state;
    static char path[] = "/bin/proxy", shell[] = "sh", option[] = "-c", version[] = "--version";
    static char port[] = "--port=1", node[] = "node", command[] = "invoke";
    char *ignored[] = {path, port, shell, option, version, NULL};
    char *started[] = {path, node, option, NULL};
    char *known[] = {path, command, NULL};

    assert_int_equal(config_read(&f->config, 5, ignored, &f->err), CONFIG_RUN);
    assert_int_equal(f->config.command, COMMAND_SERVE);
    assert_int_equal(f->config.port, 1);
    assert_int_equal(config_read(&f->config, 3, started, &f->err), CONFIG_RUN);
    assert_int_equal(config_read(&f->config, 2, known, &f->err), CONFIG_WRONG);
}

static void without_words_it_serves(void **state)
{
    struct fixture *f = *state;

    read_with(f, "--port", "1");
    assert_int_equal(f->result, CONFIG_RUN);
    assert_int_equal(f->config.command, COMMAND_SERVE);
    assert_null(f->config.command_name);
    assert_null(f->config.file);
    assert_null(f->config.argument);
}

static void assert_same(const char *text, const char *wanted)
{
    if (wanted == NULL)
        assert_null(text);
    else
        assert_string_equal(text, wanted);
}

static void commands_take_their_words_among_options(void **state)
{
    static const struct {
        const char *words[WORDS_MAX + 1];
        enum command_kind command;
        const char *file;
        const char *argument;
    } cases[] = {
        {{"pipe"}, COMMAND_PIPE, NULL, NULL},
        {{"pipe", "a.py"}, COMMAND_PIPE, "a.py", NULL},
        {{"invoke", "a.py"}, COMMAND_INVOKE, "a.py", NULL},
        {{"invoke", "a.py", "{}"}, COMMAND_INVOKE, "a.py", "{}"},
        {{"invoke", "a.py", "-"}, COMMAND_INVOKE, "a.py", "-"},
        {{"invoke", "a.py", "@b"}, COMMAND_INVOKE, "a.py", "@b"},
        {{"invoke", "invoke", "pipe"}, COMMAND_INVOKE, "invoke", "pipe"},
        {{"--port", "7", "pipe", "a.py"}, COMMAND_PIPE, "a.py", NULL},
        {{"pipe", "--port", "7", "a.py"}, COMMAND_PIPE, "a.py", NULL},
        {{"pipe", "a.py", "--port=7"}, COMMAND_PIPE, "a.py", NULL},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        read_words(f, cases[i].words);
        assert_int_equal(f->result, CONFIG_RUN);
        assert_int_equal(f->config.command, cases[i].command);
        assert_string_equal(f->config.command_name,
                            cases[i].command == COMMAND_PIPE ? "pipe" : "invoke");
        assert_same(f->config.file, cases[i].file);
        assert_same(f->config.argument, cases[i].argument);
        if (i >= 7)
            assert_int_equal(f->config.port, 7);
    }
}

static void wrong_words_are_refused(void **state)
{
    static const struct {
        const char *words[WORDS_MAX + 1];
        const char *why;
    } cases[] = {
        {{"port"}, "port: no such command; --help lists them"},
        {{"-"}, "-: no such command; --help lists them"},
        {{""}, ": no such command; --help lists them"},
        {{"invok", "a.py"}, "invok: no such command; --help lists them"},
        {{"invoke"}, "invoke: FILE is missing; usage: whiskloop invoke FILE [ARGUMENT]"},
        {{"invoke", "a", "{}", "b"},
         "b: one word too many; usage: whiskloop invoke FILE [ARGUMENT]"},
        {{"pipe", "a", "b"}, "b: one word too many; usage: whiskloop pipe [FILE]"},
        {{"pipe", "-compile", "main"}, "pipe: not together with -compile"},
        {{"pipe", "--prt"}, "--prt: no such option; --help lists them"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        read_words(f, cases[i].words);
        assert_refused(f, cases[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(without_words_it_serves),
        TEST(words_behind_the_proxy_of_an_image_are_ignored),
        TEST(commands_take_their_words_among_options),
        TEST(wrong_words_are_refused),
    };

    return cmocka_run_group_tests_name("config_command", tests, NULL, NULL);
}

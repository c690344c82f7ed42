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

/* Words that are its own do not end the search for questions. */
static void the_proxy_of_an_image_answers_questions(void **state)
{
    struct fixture *f = *state;
    static char path[] = "/bin/proxy", command[] = "invoke", file[] = "a.py", help[] = "--help";
    static char port[] = "--port", number[] = "1", version[] = "-V", shell[] = "sh";
    char *of_command[] = {path, command, file, help, NULL};
    char *behind_value[] = {path, port, number, version, NULL};
    char *of_others[] = {path, port, number, shell, version, NULL};

    assert_int_equal(config_read(&f->config, 4, of_command, &f->err), CONFIG_HELP_COMMAND);
    assert_int_equal(f->config.command, COMMAND_INVOKE);
    assert_int_equal(config_read(&f->config, 4, behind_value, &f->err), CONFIG_VERSION);
    assert_int_equal(config_read(&f->config, 5, of_others, &f->err), CONFIG_RUN);
}

/* wskdebug's: the debugger that they start is the action's. */
static void words_of_others_may_start_a_debugger(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *words;
        const char *at;
    } cases[] = {
        {"node --expose-gc --inspect=0.0.0.0:9229 app.js", "0.0.0.0:9229"},
        {"node --inspect-brk=[::1]:1 app.js", "[::1]:1"},
        {"--inspect", "127.0.0.1:9229"},
        {"node --inspect app.js", "127.0.0.1:9229"},
        {"node --inspect-port=1 app.js", ""},
        {"node --no--inspect=1:1", ""},
        {"node --inspect=$HOST:1 app.js", ""},
        {"node app.js", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char path[] = "/bin/proxy", shell[] = "sh", option[] = "-c";
        auto_free char *words = xstrdup(cases[i].words);
        char *args[] = {path, shell, option, words, NULL};

        assert_int_equal(config_read(&f->config, 4, args, &f->err), CONFIG_RUN);
        assert_string_equal(f->config.inspect_at, cases[i].at);
        assert_int_equal(f->config.no_deadlines, cases[i].at[0] != '\0');
    }
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
        {{"--port=7", "invoke", "--", "-a.py", "--help"}, COMMAND_INVOKE, "-a.py", "--help"},
        {{"--port=7", "invoke", "help", "version"}, COMMAND_INVOKE, "help", "version"},
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
        {{"invok", "a.py"}, "invok: no such command; did you mean invoke?"},
        {{"run", "a.py"}, "run: no such command; did you mean invoke?"},
        {{"serve"}, "serve: no such command; without a command it serves"},
        {{"/etc"},
         "/etc: no such command; to run it: whiskloop invoke /etc (to serve it: whiskloop --action "
         "FILE)"},
        {{"--help", "al"}, "al: no such command; did you mean all?"},
        {{"help", "nothing"}, "nothing: no such command; --help lists them"},
        {{"invoke"}, "invoke: FILE is missing; usage: whiskloop invoke FILE [ARGUMENT]"},
        {{"invoke", "a", "{}", "b"},
         "b: one word too many; usage: whiskloop invoke FILE [ARGUMENT]"},
        {{"pipe", "a", "b"}, "b: one word too many; usage: whiskloop pipe [FILE]"},
        {{"pipe", "-compile", "main"}, "pipe: not together with -compile"},
        {{"pipe", "--prt"}, "--prt: no such option; did you mean --port?"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        read_words(f, cases[i].words);
        assert_refused(f, cases[i].why);
    }
}

static void questions_may_be_asked_with_words(void **state)
{
    static const struct {
        const char *words[WORDS_MAX + 1];
        enum config_result result;
        enum command_kind command;
    } cases[] = {
        {{"help"}, CONFIG_HELP, COMMAND_SERVE},
        {{"--help"}, CONFIG_HELP, COMMAND_SERVE},
        {{"--help", "--port"}, CONFIG_HELP, COMMAND_SERVE},
        {{"help", "all"}, CONFIG_HELP_ALL, COMMAND_SERVE},
        {{"help", "help"}, CONFIG_HELP, COMMAND_SERVE},
        {{"--help", "version"}, CONFIG_HELP, COMMAND_SERVE},
        {{"help", "dev"}, CONFIG_HELP_COMMAND, COMMAND_DEV},
        {{"--help", "dev"}, CONFIG_HELP_COMMAND, COMMAND_DEV},
        {{"version"}, CONFIG_VERSION, COMMAND_SERVE},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        read_words(f, cases[i].words);
        assert_int_equal(f->result, cases[i].result);
        assert_int_equal(f->config.command, cases[i].command);
    }
}

static void what_may_be_repeated_is_kept_in_order(void **state)
{
    struct fixture *f = *state;

    read_words(f, (const char *const[]){"invoke", "a.py", "-e", "A=1", "-eB=x=y", NULL});
    assert_int_equal(f->result, CONFIG_RUN);
    assert_string_equal(f->config.env[0], "A=1");
    assert_string_equal(f->config.env[1], "B=x=y");
    assert_null(f->config.env[2]);
    config_done(&f->config);
    read_words(f, (const char *const[]){"-m", "activation_id=7", "pipe", "-m", "k=", NULL});
    assert_int_equal(f->result, CONFIG_RUN);
    assert_string_equal(f->config.metadata[0], "activation_id=7");
    assert_string_equal(f->config.metadata[1], "k=");
    config_done(&f->config);
    /* ActionLoop's own options begin with the same letter. */
    read_words(f, (const char *const[]){"-env", "{}", NULL});
    assert_string_equal(f->config.compile_env, "{}");
    assert_null(f->config.env);
}

static void an_env_file_is_read_as_docker_reads_it(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/test_config.XXXXXX";
    static const char text[] =
        "\xef\xbb\xbf# remark\n\n  A=1\r\nB=x=y \nQ=\"q\"\nOWN_A\nOWN_B\nLAST=z";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
    (void)setenv("OWN_A", "ours", 1);
    (void)unsetenv("OWN_B");
    read_words(f, (const char *const[]){"pipe", "--env-file", path, NULL});
    (void)unlink(path);
    assert_int_equal(f->result, CONFIG_RUN);
    assert_string_equal(f->config.env[0], "A=1");
    assert_string_equal(f->config.env[1], "B=x=y ");
    assert_string_equal(f->config.env[2], "Q=\"q\"");
    assert_string_equal(f->config.env[3], "OWN_A=ours");
    assert_string_equal(f->config.env[4], "LAST=z");
    assert_null(f->config.env[5]);
    config_done(&f->config);
}

static void what_is_no_variable_is_refused(void **state)
{
    static const struct {
        const char *words[WORDS_MAX + 1];
        const char *why;
    } cases[] = {
        {{"pipe", "-e", "A"}, "-e A: want NAME=value"},
        {{"pipe", "-e=A"}, "-e =A: want NAME=value"},
        {{"pipe", "-e"}, "-e: a value is missing (NAME=value)"},
        {{"pipe", "-m", "=1"}, "-m =1: want KEY=value"},
        {{"pipe", "-m", "value=1"}, "-m value=1: value is the argument itself, not metadata"},
        {{"pipe", "--env-file=/does/not/exist"},
         "--env-file: cannot read \"/does/not/exist\": No such file or directory"},
        {{"pipe", "--env-file=/etc"}, "--env-file: cannot read \"/etc\": Is a directory"},
        {{"-e", "A=1"},
         "-e and --env-file are for dev, test, invoke and pipe, -m is for invoke and pipe; an action "
         "that is published brings its environment along (bin/init.sh or whiskloop-init -e "
         "NAME=value), that of --action has the proxy's"},
        {{"dev", "-m", "a=1"}, "dev: -m is for invoke and pipe"},
        {{"test", "-m", "a=1"}, "test: -m is for invoke and pipe"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        read_words(f, cases[i].words);
        assert_refused(f, cases[i].why);
        config_done(&f->config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(without_words_it_serves),
        TEST(words_behind_the_proxy_of_an_image_are_ignored),
        TEST(the_proxy_of_an_image_answers_questions),
        TEST(words_of_others_may_start_a_debugger),
        TEST(commands_take_their_words_among_options),
        TEST(wrong_words_are_refused),
        TEST(questions_may_be_asked_with_words),
        TEST(what_may_be_repeated_is_kept_in_order),
        TEST(an_env_file_is_read_as_docker_reads_it),
        TEST(what_is_no_variable_is_refused),
    };

    return cmocka_run_group_tests_name("config_command", tests, NULL, NULL);
}

#include "arguments.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/suggest.h"
#include "base/util.h"
#include "variables.h"

#define HELP_HINT "; --help all lists them"

/* ---- options of Apache's ActionLoop proxy, a Go program: they begin with one dash or two ---- */

/* Returns what follows -NAME or --NAME in `arg`: "=value", or "" for the bare name. NULL: `arg` is
 * another option. */
static const char *option_rest(const char *arg, const char *name)
{
    size_t n = strlen(name);

    if (arg[0] != '-')
        return NULL;
    arg += arg[1] == '-' ? 2 : 1;
    if (strncmp(arg, name, n) != 0 || (arg[n] != '\0' && arg[n] != '='))
        return NULL;
    return arg + n;
}

/* Read -debug, -compile or -env into `config`. Returns the number of arguments consumed; 0: args[0]
 * is another option; -1: err filled. */
static int set_from_proxy_option(struct config *config, char **args, struct err *err)
{
    const char *debug = option_rest(args[0], "debug");
    const char *compile = option_rest(args[0], "compile");
    const char *env = option_rest(args[0], "env");
    const char *value = compile != NULL ? compile : env;

    if (debug != NULL) {
        config->debug = strcmp(debug, "=false") != 0 && strcmp(debug, "=0") != 0;
        if (config->debug)
            config->allow_reinit = 1;
        return 1;
    }
    if (value == NULL)
        return 0;
    if (value[0] == '\0' && args[1] == NULL)
        return err_set(err, ERR_REQUEST, 0, "%s: a value is missing (%s)", args[0],
                       compile != NULL ? "MAIN" : "JSON");
    *(compile != NULL ? &config->compile_main : &config->compile_env) =
        value[0] == '=' ? value + 1 : args[1];
    return value[0] == '=' ? 1 : 2;
}

static int no_such_option(const char *given, const char *name, size_t n, struct err *err)
{
    auto_free char *word = xstrndup(name, n);
    struct suggest suggest = {.word = word};

    for (size_t i = 0; i < n_settings; i++)
        suggest_offer(&suggest, settings[i].name);
    if (strncmp(given, "--", 2) != 0 || suggest.best == NULL)
        return err_set(err, ERR_REQUEST, 0, "%s: no such option" HELP_HINT, given);
    return err_set(err, ERR_REQUEST, 0, "%s: no such option; did you mean --%s?", given,
                   suggest.best);
}

/* Whether the option is given without a value: such an option has the value 1. next: the argument
 * after the option, which may or may not be its value; NULL: there is none. */
static bool is_alone(const struct setting *setting, const char *next)
{
    if (setting->kind == SETTING_SWITCH)
        return next == NULL || !setting_is_switch_value(next);
    return setting->unit[0] == '[' && (next == NULL || !isdigit((unsigned char)next[0]));
}

/* Set one option: --name=value, --name value, or --name alone. Returns the number of arguments
 * consumed; -1: err filled. */
static int set_from_option(struct config *config, char **args, struct err *err)
{
    const char *name = args[0] + 2;
    size_t n = strcspn(name, "=");
    const struct setting *setting = strncmp(args[0], "--", 2) == 0 ? setting_find(name, n) : NULL;
    const char *value = "1";
    int taken = 1;
    char given_as[64];

    if (setting == NULL)
        return no_such_option(args[0], name, n, err);
    (void)snprintf(given_as, sizeof(given_as), "--%s", setting->name);
    if (name[n] == '=') {
        value = name + n + 1;
    } else if (!is_alone(setting, args[1])) {
        value = args[1];
        taken = 2;
    }
    if (value == NULL)
        return err_set(err, ERR_REQUEST, 0, "%s: a value is missing (%s)", given_as, setting->unit);
    return setting_set(config, setting, given_as, value, err) < 0 ? -1 : taken;
}

/* Read -e NAME=value, -m KEY=value or --env-file FILE. Forms in one argument, -eNAME=value and
 * --env-file=FILE, are read, too. Returns the number of arguments consumed; 0: args[0] is another
 * option; -1: err filled. */
static int set_from_pair_option(struct config *config, char **args, struct err *err)
{
    const char *arg = args[0];
    const char *file = arg[1] == '-' ? option_rest(arg, "env-file") : NULL;
    bool is_env = arg[1] == 'e' && strncmp(arg, "-env", 4) != 0;
    const char *value;
    char option[3] = {arg[0], arg[1], '\0'};
    int taken = 1;

    assert(arg[0] == '-');
    if (file == NULL && !is_env && arg[1] != 'm')
        return 0;
    value = file != NULL ? file + (file[0] == '=') : arg + 2;
    if (*value == '\0') {
        value = args[1];
        taken = 2;
    }
    if (value == NULL)
        return err_set(err, ERR_REQUEST, 0, "%s: a value is missing (%s)", arg,
                       file != NULL ? "FILE"
                       : is_env     ? "NAME=value"
                                    : "KEY=value");
    if (file != NULL)
        return variables_add_file(&config->env, "--env-file", value, err) < 0 ? -1 : taken;
    if (!is_env && strncmp(value, "value=", 6) == 0)
        return err_set(err, ERR_REQUEST, 0, "-m %s: value is the argument itself, not metadata",
                       value);
    return variables_add(is_env ? &config->env : &config->metadata, option, value, err) < 0 ? -1
                                                                                            : taken;
}

/* ---- commands ---- */

const struct command_word commands[] = {
    {"dev", COMMAND_DEV, false, false, "dev [FILE|FOLDER]",
     "serve the action in FOLDER [.] on 127.0.0.1:8080 while you write it: it is replaced on each "
     "save, and the page at / shows arguments, answers and logs",
     "whiskloop dev hello --invoke '{\"name\":\"Mike\"}' --open",
     "-e --env-file main runtime port listen invoke open inspect no-page log-format timeout "
     "init-timeout"},
    {"new", COMMAND_NEW, true, true, "new LANGUAGE [FOLDER]",
     "write a function to begin with into FOLDER [hello], with an example of its argument, the "
     "answer to it and a README. LANGUAGE is one of: c, dotnet, go, java, lua, nodejs, perl, php, "
     "pypy, python, ruby, shell",
     "whiskloop new python hello", ""},
    {"test", COMMAND_TEST, false, false, "test [FOLDER|FILE]",
     "run the action with each input*.json in FOLDER [.] and compare the answers with "
     "expected*.json. Exit status: 0; 1 if one differs; 2 for a wrong call",
     "whiskloop test hello", "-e --env-file main runtime timeout init-timeout"},
    {"invoke", COMMAND_INVOKE, true, true, "invoke FILE [ARGUMENT]",
     "run the action in FILE once, without HTTP: answer on stdout, log on stderr. ARGUMENT is a JSON "
     "object or array, @FILE or - for stdin; default {}. Exit status: 0; 1 if the action failed or "
     "answered with an error; 2 for a wrong call",
     "whiskloop invoke hello.py '{\"name\":\"Mike\"}'",
     "-e --env-file -m main functions runtime parts any timeout init-timeout"},
    {"pipe", COMMAND_PIPE, false, false, "pipe [FILE]",
     "answer each line of stdin, the body of a /run such as {\"value\":{...}}, with a line on "
     "stdout, in order; without FILE: the action of --action",
     "echo '{\"value\":{\"name\":\"Mike\"}}' | whiskloop pipe hello.py",
     "-e --env-file -m main functions runtime workers in out pipe-max-bytes parts text any announce "
     "timeout init-timeout"},
};
const size_t n_commands = ARRAY_LEN(commands);

static const struct command_word *find_command(const char *name)
{
    for (size_t i = 0; i < n_commands; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

const struct command_word *command_of_kind(enum command_kind kind)
{
    for (size_t i = 0; i < n_commands; i++)
        if (commands[i].kind == kind)
            return &commands[i];
    return NULL;
}

/* Words that are commands of other programs but not of this one, each with a hint for the user. */
static const struct {
    const char *word;
    const char *hint;
} other_commands[] = {
    {"run", "did you mean invoke?"},
    {"serve", "without a command it serves"},
    {"start", "without a command it serves"},
};

/* Say in err that `word` is no command, and suggest a similar one. more: a word that may be
 * suggested like a command; NULL: none. Returns -1. */
static int no_such_command(const char *word, const char *more, struct err *err)
{
    struct suggest suggest = {.word = word};
    struct stat info;

    for (size_t i = 0; i < ARRAY_LEN(other_commands); i++)
        if (strcmp(other_commands[i].word, word) == 0)
            return err_set(err, ERR_REQUEST, 0, "%s: no such command; %s", word,
                           other_commands[i].hint);
    for (size_t i = 0; i < n_commands; i++)
        suggest_offer(&suggest, commands[i].name);
    suggest_offer(&suggest, "help");
    suggest_offer(&suggest, "version");
    if (more != NULL)
        suggest_offer(&suggest, more);
    if (stat(word, &info) == 0 && (S_ISREG(info.st_mode) || suggest.best == NULL))
        return err_set(err, ERR_REQUEST, 0,
                       "%s: no such command; to run it: whiskloop invoke %s (to serve it: "
                       "whiskloop --action FILE)",
                       word, word);
    if (suggest.best == NULL)
        return err_set(err, ERR_REQUEST, 0, "%s: no such command; --help lists them", word);
    return err_set(err, ERR_REQUEST, 0, "%s: no such command; did you mean %s?", word,
                   suggest.best);
}

/* Store a word that is neither an option nor its value: the command, its FILE or its ARGUMENT. */
static int set_from_word(struct config *config, const char *word, struct err *err)
{
    const struct command_word *command = command_of_kind(config->command);

    assert(command != NULL || config->file == NULL);
    if (command == NULL) {
        command = find_command(word);
        if (command == NULL)
            return no_such_command(word, NULL, err);
        config->command = command->kind;
        config->command_name = command->name;
    } else if (config->file == NULL) {
        config->file = word;
    } else if (command->takes_argument && config->argument == NULL) {
        config->argument = word;
    } else {
        return err_set(err, ERR_REQUEST, 0, "%s: one word too many; usage: whiskloop %s", word,
                       command->usage);
    }
    return 1;
}

/* Called when all words and options are read: refuse those that must not be used together, and a
 * command without a word that it needs. */
static int check_words(const struct config *config, struct err *err)
{
    const struct command_word *command = command_of_kind(config->command);

    if (command == NULL && (config->env != NULL || config->metadata != NULL))
        return err_set(
            err, ERR_REQUEST, 0,
            "-e and --env-file are for dev, test, invoke and pipe, -m is for invoke and pipe; an "
            "action that is published brings its environment along (bin/init.sh or "
            "whiskloop-init -e NAME=value), that of --action has the proxy's");
    if (command == NULL)
        return 0;
    if (config->metadata != NULL && command->kind != COMMAND_INVOKE &&
        command->kind != COMMAND_PIPE)
        return err_set(err, ERR_REQUEST, 0, "%s: -m is for invoke and pipe", command->name);
    if (command->needs_file && config->file == NULL)
        return err_set(err, ERR_REQUEST, 0, "%s: %s is missing; usage: whiskloop %s", command->name,
                       command->kind == COMMAND_NEW ? "LANGUAGE" : "FILE", command->usage);
    if (config->compile_main != NULL)
        return err_set(err, ERR_REQUEST, 0, "%s: not together with -compile", command->name);
    return 0;
}

static bool is_word(const char *arg)
{
    return arg[0] != '-' || arg[1] == '\0';
}

/* Whether to ignore `word` and all words after it, as Apache's ActionLoop proxy does. Some tools
 * start an image with a command of their own (`docker run IMAGE sh -c ...`). This program, the
 * image's entrypoint, gets that command as its arguments. Source: openwhisk-contract, section 9. */
static bool is_for_others(const struct config *config, const char *program, const char *word)
{
    const char *slash = strrchr(program, '/');
    bool is_entrypoint = getpid() == 1 || strcmp(slash != NULL ? slash + 1 : program, "proxy") == 0;

    return is_entrypoint && is_word(word) && config->command == COMMAND_SERVE &&
           find_command(word) == NULL;
}

/* Returns what follows Node.js's option --inspect or --inspect-brk in `word`: "=ADDRESS", a blank
 * or nothing. NULL: `word` does not contain the option. */
static const char *inspect_in(const char *word)
{
    static const char name[] = "--inspect";
    const char *at = strstr(word, name);

    if (at == NULL || (at != word && at[-1] != ' '))
        return NULL;
    at += strlen(name);
    if (strncmp(at, "-brk", 4) == 0)
        at += 4;
    return *at == '=' || *at == ' ' || *at == '\0' ? at : NULL;
}

/* The debugger wskdebug starts an image with `sh -c "node --inspect=0.0.0.0:9229 app.js"`. If
 * `words` contain --inspect, let the action's Node.js listen for a debugger at the same address,
 * and switch deadlines off. If the address is invalid, do nothing. */
static void take_words_of_others(struct config *config, char **words)
{
    const char *at = NULL;
    size_t length;

    for (; *words != NULL && at == NULL; words++)
        at = inspect_in(*words);
    if (at == NULL)
        return;
    at += *at == '=' ? 1 : 0;
    length = strspn(at, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.:[]-");
    if (length >= sizeof(config->inspect_at) || (at[length] != ' ' && at[length] != '\0'))
        return;
    if (length == 0)
        at = "127.0.0.1:9229";
    (void)snprintf(config->inspect_at, sizeof(config->inspect_at), "%.*s",
                   (int)(length > 0 ? length : strlen(at)), at);
    config->no_deadlines = 1;
}

/* argv[at] is --help, or the word help. Choose the help of the command that is named before it or
 * right after it. If there is none, choose the general help. */
static enum config_result help_of(struct config *config, int argc, char **argv, int at,
                                  struct err *err)
{
    const struct command_word *command = NULL;
    const char *next = at + 1 < argc ? argv[at + 1] : NULL;

    assert(at < argc);
    if (next != NULL && strcmp(next, "all") == 0)
        return CONFIG_HELP_ALL;
    for (int i = 1; i < argc && i <= at + 1 && command == NULL; i++)
        command = find_command(argv[i]);
    if (command != NULL) {
        config->command = command->kind;
        return CONFIG_HELP_COMMAND;
    }
    /* `help help` and `help version` print the general help. */
    if (at > 1 || next == NULL || !is_word(next) || strcmp(next, "help") == 0 ||
        strcmp(next, "version") == 0)
        return CONFIG_HELP;
    (void)no_such_command(next, "all", err);
    return CONFIG_WRONG;
}

/* Returns what argv[at] asks to print, such as CONFIG_VERSION for --version. CONFIG_RUN: argv[at]
 * asks for no such text. CONFIG_WRONG: err filled. */
static enum config_result question_at(struct config *config, int argc, char **argv, int at,
                                      struct err *err)
{
    static const struct {
        const char *option;
        const char *word; /* as first argument, it means the same as `option`; NULL: none */
        enum config_result result;
    } questions[] = {
        {"--help", "help", CONFIG_HELP},
        {"-h", NULL, CONFIG_HELP},
        {"-help", NULL, CONFIG_HELP},
        {"--help=all", NULL, CONFIG_HELP_ALL},
        {"--version", "version", CONFIG_VERSION},
        {"-V", NULL, CONFIG_VERSION},
        {"-version", NULL, CONFIG_VERSION},
        {"--help-markdown", NULL, CONFIG_HELP_MD},
    };

    for (size_t k = 0; k < ARRAY_LEN(questions); k++)
        if (strcmp(argv[at], questions[k].option) == 0 ||
            (at == 1 && questions[k].word != NULL && strcmp(argv[at], questions[k].word) == 0))
            return questions[k].result == CONFIG_HELP ? help_of(config, argc, argv, at, err)
                                                      : questions[k].result;
    return CONFIG_RUN;
}

/* Look for a question, such as --help: if there is one, no other argument counts. CONFIG_RUN: there
 * is none. The search stops at a word with which the command line of another program may begin, see
 * is_for_others(). If that word is only the value of an option or the FILE of a command,
 * config_read() finds the questions after it. */
static enum config_result look_for_questions(struct config *config, int argc, char **argv,
                                             struct err *err)
{
    enum config_result result = CONFIG_RUN;

    for (int i = 1; i < argc && result == CONFIG_RUN; i++) {
        if (strcmp(argv[i], "--") == 0 || is_for_others(config, argv[0], argv[i]))
            break;
        result = question_at(config, argc, argv, i, err);
    }
    return result;
}

/* Read args[0], which is a word or an option, and the option's value. Returns the number of
 * arguments consumed; -1: err filled. */
static int take_argument(struct config *config, char **args, struct err *err)
{
    int taken;

    if (is_word(args[0]))
        return set_from_word(config, args[0], err);
    taken = set_from_pair_option(config, args, err);
    if (taken == 0)
        taken = set_from_proxy_option(config, args, err);
    return taken != 0 ? taken : set_from_option(config, args, err);
}

enum config_result config_read(struct config *config, int argc, char **argv, struct err *err)
{
    enum config_result result, asked;
    bool only_words = false; /* "--" was read: no option follows */
    int taken;

    config_set_defaults(config);
    result = look_for_questions(config, argc, argv, err);
    if (result != CONFIG_RUN)
        return result;
    if (config_set_from_environment(config, err) < 0)
        return CONFIG_WRONG;
    for (int i = 1; i < argc; i += taken) {
        if (is_for_others(config, argv[0], argv[i])) {
            take_words_of_others(config, argv + i);
            break;
        }
        taken = 1;
        if (only_words)
            taken = set_from_word(config, argv[i], err);
        else if (strcmp(argv[i], "--") == 0)
            only_words = true;
        else if (strcmp(argv[i], "--health") == 0)
            result = CONFIG_HEALTH;
        else if ((asked = question_at(config, argc, argv, i, err)) != CONFIG_RUN)
            return asked;
        else
            taken = take_argument(config, argv + i, err);
        if (taken < 0)
            return CONFIG_WRONG;
        assert(taken > 0);
        assert(taken <= argc - i);
    }
    if (check_words(config, err) < 0)
        return CONFIG_WRONG;
    /* The command dev listens on this machine only, unless an address is given. */
    if (config->command == COMMAND_DEV && config->listen == setting_find("listen", 6)->text)
        config->listen = DEV_LISTEN;
    if (config->command == COMMAND_DEV && config->file == NULL)
        config->file = ".";
    return result;
}

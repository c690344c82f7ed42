#include "help.h"

#include <assert.h>
#include <string.h>

#include "arguments.h"
#include "base/util.h"
#include "config.h"
#include "setup.h"

#define COLUMNS 79
#define INDENT  6

/* The contents of --help, in order: headings, which end with a colon, and names of settings. */
static const char *const common[] = {
    "Serving:", "port",    "listen",  "admin",        "user", "Action:",   "runtime",  "action",
    "main",     "workers", "timeout", "allow-reinit", "Log:", "log-level", "log-file", "end-marks",
};

struct item {
    const char *option;
    const char *help;
};

/* Options for pairs such as NAME=value. They are not in the table `settings`. */
static const struct item pair_options[] = {
    {"-e NAME=value", "put NAME into the action's environment; may be repeated"},
    {"--env-file FILE", "the same with each line of FILE, as docker run --env-file does"},
    {"-m KEY=value",
     "send KEY beside the argument; the action sees it as __OW_KEY; may be repeated"},
};

static const struct item other_options[] = {
    {"-compile MAIN", "as ActionLoop's proxy: compile the code on stdin and write a zip to stdout"},
    {"-env JSON", "variables for -compile"},
    {"-debug", "log each step, keep the folder of a failed /init, allow a further /init"},
    {"--health", "ask the proxy that runs with the same --admin whether it is well; ends with 0 or "
                 "1"},
    {"--version, -V", "print the versions of whiskloop and its libraries"},
    {"--help, -h", "print the common options; --help all: all of them"},
};

/* Print text wrapped between words, each line indented. */
static void write_wrapped(FILE *file, const char *text)
{
    size_t column = 0;

    while (*text != '\0') {
        size_t n = strcspn(text, " ");

        if (column > 0 && column + 1 + n > COLUMNS) {
            (void)fputc('\n', file);
            column = 0;
        }
        (void)fprintf(file, "%*s%.*s", column == 0 ? INDENT : 1, "", (int)n, text);
        column += (column == 0 ? INDENT : 1) + n;
        text += n + (text[n] == ' ');
    }
    (void)fputc('\n', file);
}

static void write_item(FILE *file, const char *left, const char *text)
{
    (void)fprintf(file, "  %s\n", left);
    write_wrapped(file, text);
}

static void write_items(FILE *file, const struct item *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        write_item(file, items[i].option, items[i].help);
}

/* Write a setting's default as a user would give it, with its unit; "" if there is no default. */
static void format_default(const struct setting *setting, char *out, size_t size)
{
    if (setting->kind == SETTING_TEXT)
        (void)snprintf(out, size, "%s", setting->text);
    else if (setting->kind == SETTING_SIGNED ||
             (setting->kind == SETTING_COUNT && setting->fallback == 0))
        (void)snprintf(out, size, "auto");
    else
        (void)snprintf(out, size, "%llu%s", (unsigned long long)setting->fallback,
                       setting_unit(setting));
}

/* Print a setting's option, help and default. fallback: the default to print for one command
 * instead of the setting's own default; NULL: none. */
static void write_setting(FILE *file, const struct setting *setting, const char *fallback)
{
    char left[SETTING_NAME_MAX];
    char value[64];
    auto_free char *text = NULL;

    assert(setting != NULL); /* if this fails, an option in the table `commands` is misspelt */
    (void)snprintf(left, sizeof(left), setting->kind == SETTING_SWITCH ? "--%s[=%s]" : "--%s %s",
                   setting->name, setting->unit);
    if (fallback != NULL)
        (void)snprintf(value, sizeof(value), "%s", fallback);
    else
        format_default(setting, value, sizeof(value));
    text = xasprintf(value[0] != '\0' ? "%s [%s]" : "%s", setting->help, value);
    write_item(file, left, text);
}

static const char scripts_in_build[] =
    "  bin/init.sh hello.py                          publish an action\n"
    "  bin/run.sh '{\"name\":\"Mike\"}'                  run it\n";
static const char scripts_installed[] =
    "  whiskloop-init hello.py                       publish an action\n"
    "  whiskloop-run '{\"name\":\"Mike\"}'               run it\n";

static void write_head(FILE *file)
{
    (void)fprintf(
        file,
        "Usage: whiskloop [OPTION]...\n"
        "       whiskloop [OPTION]... COMMAND [FILE] ...\n\n"
        "Serve one OpenWhisk action: POST /init publishes it, POST /run runs it.\n\n"
        "  whiskloop --listen 127.0.0.1                  listen on port 8080\n"
        "%s"
        "  whiskloop invoke hello.py '{\"name\":\"Mike\"}'   run it once, without HTTP\n\n"
        "Commands:\n",
        setup_is_in_build() ? scripts_in_build : scripts_installed);
    for (size_t i = 0; i < n_commands; i++)
        write_item(file, commands[i].usage, commands[i].help);
    write_items(file, pair_options, ARRAY_LEN(pair_options));
}

static void write_tail(FILE *file)
{
    (void)fprintf(file, "\nEach setting is also an environment variable: --queue-max is\n"
                        "WHISKLOOP_QUEUE_MAX.\n");
}

void help_write(FILE *file)
{
    write_head(file);
    for (size_t i = 0; i < ARRAY_LEN(common); i++) {
        const struct setting *setting = setting_find(common[i], strlen(common[i]));

        if (setting == NULL)
            (void)fprintf(file, "\n%s\n", common[i]);
        else
            write_setting(file, setting, NULL);
    }
    (void)fprintf(file, "\nOther:\n");
    write_item(file, "--help all", "all options, by topic");
    write_item(file, "--version, -V", "print the versions of whiskloop and its libraries");
    write_tail(file);
}

static const struct item *find_pair(const char *option, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(pair_options); i++)
        if (strncmp(pair_options[i].option, option, n) == 0 && pair_options[i].option[n] == ' ')
            return &pair_options[i];
    return NULL;
}

void help_write_command(FILE *file, enum command_kind kind)
{
    const struct command_word *command = command_of_kind(kind);
    const char *at = command->options;

    (void)fprintf(file, "Usage: whiskloop %s%s\n\n", command->usage,
                  at[0] != '\0' ? " [OPTION]..." : "");
    write_item(file, command->example, command->help);
    if (at[0] != '\0')
        (void)fprintf(file, "\nOptions:\n");
    while (*at != '\0') {
        size_t n = strcspn(at, " ");
        const struct item *pair = find_pair(at, n);

        if (pair != NULL)
            write_items(file, pair, 1);
        else
            write_setting(file, setting_find(at, n),
                          kind == COMMAND_DEV && strncmp(at, "listen", n) == 0 ? DEV_LISTEN : NULL);
        at += n + (at[n] == ' ');
    }
    (void)fprintf(file,
                  "\n`whiskloop --help` lists the other commands, `--help all` all options.\n");
}

void help_write_all(FILE *file)
{
    write_head(file);
    for (size_t i = 0; i < n_settings; i++) {
        for (size_t k = 0; k < n_topics; k++)
            if (strcmp(topics[k].first, settings[i].name) == 0)
                (void)fprintf(file, "\n%s:\n", topics[k].title);
        write_setting(file, &settings[i], NULL);
    }
    (void)fprintf(file, "\nOther:\n");
    write_items(file, other_options, ARRAY_LEN(other_options));
    write_tail(file);
}

void help_write_markdown(FILE *file)
{
    (void)fprintf(file, "| option | variable | default | what it sets |\n|---|---|---|---|\n");
    for (size_t i = 0; i < n_settings; i++) {
        char name[SETTING_NAME_MAX];
        char value[64];

        setting_variable(&settings[i], name);
        format_default(&settings[i], value, sizeof(value));
        (void)fprintf(file, "| `--%s` | `%s` | %s | %s |\n", settings[i].name, name,
                      value[0] != '\0' ? value : "-", settings[i].help);
    }
}

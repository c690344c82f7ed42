#include "config.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/util.h"

enum setting_kind {
    SETTING_NUMBER,
    SETTING_COUNT, /* a number, or "auto", which is kept as 0 */
    SETTING_TEXT,
    SETTING_SWITCH,
};

struct setting {
    const char *name; /* --name, and WHISKLOOP_NAME */
    enum setting_kind kind;
    size_t offset;     /* in struct config */
    uint64_t min;      /* numbers only */
    uint64_t fallback; /* numbers and switches */
    uint64_t max;      /* numbers only */
    const char *text;  /* default of a text */
    const char *unit;  /* what the value is, for the help */
    const char *help;
};

#define NUMBER(name, field, min, fallback, max, unit, help)                                        \
    {                                                                                              \
        name, SETTING_NUMBER, offsetof(struct config, field), min, fallback, max, NULL, unit, help \
    }
#define TEXT(name, field, text, unit, help)                                                        \
    {                                                                                              \
        name, SETTING_TEXT, offsetof(struct config, field), 0, 0, 0, text, unit, help              \
    }
#define COUNT(name, field, fallback, max, help)                                                    \
    {                                                                                              \
        name, SETTING_COUNT, offsetof(struct config, field), 1, fallback, max, NULL, "N|auto",     \
            help                                                                                   \
    }
#define SWITCH(name, field, fallback, help)                                                        \
    {                                                                                              \
        name, SETTING_SWITCH, offsetof(struct config, field), 0, fallback, 1, NULL, "0|1", help    \
    }

#define DAY_MS 86400000u
#define MIB    (UINT64_C(1) << 20)
#define GIB    (UINT64_C(1) << 30)

static const struct setting settings[] = {
    NUMBER("port", port, 0, 8080, 65535, "PORT", "TCP port to listen on; 0 takes any free one"),
    TEXT("listen", listen, "0.0.0.0", "ADDRESS", "numeric IPv4 or IPv6 address to listen on"),
    TEXT("admin", admin, "", "WHERE",
         "ADDRESS:PORT or unix:PATH to serve /healthz, /readyz and /metrics on; empty: nowhere"),
    TEXT("runtime", runtime, "auto", "NAME",
         "the runtime that plain source text is for; auto: python, and in an ActionLoop image what "
         "OW_COMPILER builds"),
    TEXT("runtime-dir", runtime_dir, "", "DIR",
         "folder of the runtimes; empty: the one that came with this program"),
    TEXT("action-dir", action_dir, "", "DIR",
         "folder where actions are unpacked; empty: a private one in TMPDIR, removed at the end"),
    TEXT(
        "action", action, "/action", "PATH",
        "an action that needs no /init: a file as /init would bring it, or a folder that is served "
        "where it lies; only the default may be missing or empty"),
    TEXT("main", main, "", "NAME", "the function of --action; empty: main"),
    TEXT("answers", answers, "auto", "auto|stdout|fd3",
         "where executables answer: descriptor 1, 3, or whichever first carries an answer"),
    NUMBER("timeout", timeout_ms, 1, 300000, DAY_MS, "MS",
           "longest time for an activation, waiting included; the body's deadline may be sooner"),
    NUMBER("deadline-margin", deadline_margin_ms, 0, 50, 10000, "MS",
           "how long before its deadline an activation is given up, so that the answer is in time"),
    NUMBER("init-timeout", init_timeout_ms, 1, 300000, DAY_MS, "MS",
           "longest time for an /init, and for a later start of the action"),
    NUMBER("settle-time", settle_ms, 1, 100, 60000, "MS",
           "an executable that reports no readiness counts as started when it waits for input, or "
           "has not ended after this time; ten times as much while it is seen at work"),
    NUMBER("kill-after", kill_ms, 0, 500, 60000, "MS",
           "time between SIGTERM and SIGKILL for an action that must end"),
    NUMBER(
        "restart-pause", restart_pause_ms, 0, 100, 60000, "MS",
        "pause before a worker is started again after a second failed start or end while idle in "
        "a row, doubled each time"),
    NUMBER("restart-pause-max", restart_pause_max_ms, 0, 10000, DAY_MS, "MS",
           "longest pause before a restart"),
    NUMBER("broken-after", broken_after, 0, 5, 1000000, "N",
           "failed starts and ends while idle, in a row, after which activations are answered with "
           "502 at once until a start succeeds; 0: never"),
    NUMBER("broken-life", broken_life_ms, 1, 60000, DAY_MS, "MS",
           "an end counts as one of a row only after a life of at most this"),
    NUMBER("drain-timeout", drain_timeout_ms, 0, 30000, DAY_MS, "MS",
           "after SIGTERM: longest time for running activations to finish"),
    NUMBER("idle-timeout", idle_timeout_ms, 100, 300000, DAY_MS, "MS",
           "a connection that sends no whole request for so long is closed"),
    COUNT("workers", workers, 1, 256,
          "processes of the action that serve side by side; auto: one per processor, the "
          "container's quota respected"),
    NUMBER("queue-max", queue_max, 0, 1024, 1000000, "N",
           "activations that may wait for the action; one more is answered with 429"),
    NUMBER("write-ahead", write_ahead, 1, 64, 1024, "LINES",
           "most activations written ahead to a launcher that takes them; 1: one at a time"),
    NUMBER(
        "pipeline", pipeline, 0, 0, 1024, "LINES",
        "lines written ahead to an action that announces nothing: its author vouches that it answers "
        "each line by one line, strictly in order; 0: one at a time"),
    NUMBER("run-max-bytes", run_max_bytes, 2, 64 * MIB, 4 * GIB, "BYTES", "largest body of a /run"),
    NUMBER("init-max-bytes", init_max_bytes, 2, 128 * MIB, 4 * GIB, "BYTES",
           "largest body of an /init"),
    NUMBER("answer-max-bytes", answer_max_bytes, 2, 64 * MIB, 4 * GIB, "BYTES",
           "longest answer of the action"),
    TEXT("in", in, "", "FIFO",
         "a named pipe that the command pipe reads, opened again when its writer has left; empty: "
         "stdin"),
    TEXT("out", out, "", "FIFO",
         "a named pipe that the command pipe writes to, opened again when its reader has left; "
         "empty: stdout"),
    NUMBER("pipe-max-bytes", pipe_max_bytes, 1, 64 * MIB, 1024 * GIB, "BYTES",
           "lines and answers that the command pipe holds before it reads no further"),
    NUMBER("unpack-max-bytes", unpack_max_bytes, 1, GIB, 1024 * GIB, "BYTES",
           "largest unpacked size of an archive"),
    NUMBER("unpack-entries-max", unpack_entries_max, 1, 100000, 100000000, "N",
           "most files and folders in an archive"),
    NUMBER("unpack-ratio-max", unpack_ratio_max, 0, 200, 1000000, "N",
           "most unpacked bytes per byte of an archive above 1 MiB; 0: any"),
    TEXT("user", user, "", "USER[:GROUP]",
         "run actions as this user, by number or by a name of /etc/passwd; their files are this "
         "user's, and no setuid program helps them; takes a proxy that runs as root"),
    SWITCH("no-new-privs", no_new_privs, 0,
           "no program that an action executes gains rights: setuid programs such as sudo and ping "
           "fail; always so with --user"),
    SWITCH("dumpable", dumpable, 0,
           "let debuggers and core dumps of the proxy work without the right to trace any process; "
           "an action that runs as the proxy's user can then read the proxy's memory"),
    NUMBER("rlimit-as", rlimits[LIMIT_AS], 0, 0, UINT64_C(1) << 62, "BYTES",
           "address space of each process of the action; 0: the container's own limit"),
    NUMBER("rlimit-nproc", rlimits[LIMIT_NPROC], 0, 0, UINT32_MAX, "N",
           "processes and threads that the action's user may have in all; nothing binds root, so "
           "only with --user; 0: the container's own limit"),
    NUMBER("rlimit-nofile", rlimits[LIMIT_NOFILE], 0, 0, UINT32_MAX, "N",
           "open files of each process of the action; 0: the container's own limit"),
    NUMBER("rlimit-fsize", rlimits[LIMIT_FSIZE], 0, 0, UINT64_C(1) << 62, "BYTES",
           "largest file that the action may write; 0: the container's own limit"),
    NUMBER("rlimit-cpu", rlimits[LIMIT_CPU], 0, 0, UINT32_MAX, "SECONDS",
           "processor time of each process of the action in its whole life, all its activations "
           "together; then it is killed and started again; 0: the container's own limit"),
    SWITCH("prelaunch", prelaunch, 1,
           "start the launcher of --runtime before there is an action, so that /init is quick"),
    SWITCH("allow-reinit", allow_reinit, 0,
           "for development: a further /init replaces the action without losing a request; without "
           "it that is refused"),
    SWITCH("fork-workers", fork_workers, 0,
           "load the action once and make its workers by fork, so that they share memory, where "
           "runtime and code allow it"),
    SWITCH("one-at-a-time", one_at_a_time, 0,
           "refuse a /run with 403 while another one is running, instead of queueing it; "
           "__OW_ALLOW_CONCURRENT=true undoes it"),
    SWITCH("log-init-error", log_init_error, 0,
           "put the reason of a failed /init into the action's log instead of the reply, for "
           "executables too"),
    TEXT("log-level", log_level, "auto", "auto|off|error|warn|info|debug",
         "how much of the proxy's own log is written: off, error, warn, info (starts and ends of "
         "all kinds) or debug (each activation, too); auto: info to a file, warn to stderr, which "
         "is the action's log as well"),
    TEXT("log-format", log_format, "text", "text|json",
         "lines of the proxy's own log: text to read, or a JSON object each"),
    TEXT("log-file", log_file, "", "FILE",
         "what the proxy's own log is appended to, opened anew on SIGHUP; empty: stderr"),
};

/* Variables of other proxies that mean one of our settings. */
static const struct {
    const char *variable;
    const char *setting;
    const char *only; /* the one value that turns a switch on, as its own proxy has it; NULL: any */
} synonyms[] = {
    {"FLASK_PROXY_PORT", "port", NULL},
    {"OW_LOG_INIT_ERROR", "log-init-error", NULL},
    {"OW_DEBUG", "allow-reinit", NULL},
    {"PROXY_ALLOW_REINIT", "allow-reinit", "1"},
};

static void *field(struct config *config, const struct setting *setting)
{
    return (char *)config + setting->offset;
}

static const struct setting *find(const char *name, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (strlen(settings[i].name) == n && memcmp(settings[i].name, name, n) == 0)
            return &settings[i];
    return NULL;
}

static int set_number(struct config *config, const struct setting *setting, const char *given_as,
                      const char *value, struct err *err)
{
    uint64_t number;
    char *end;

    errno = 0;
    number = strtoull(value, &end, 10);
    if (!isdigit((unsigned char)value[0]) || *end != '\0' || errno != 0 || number < setting->min ||
        number > setting->max)
        return err_set(err, ERR_REQUEST, 0, "%s=%s: want a number from %llu to %llu%s", given_as,
                       value, (unsigned long long)setting->min, (unsigned long long)setting->max,
                       setting->kind == SETTING_COUNT ? ", or auto" : "");
    *(uint64_t *)field(config, setting) = number;
    return 0;
}

/* Texts with bars in their unit are one of those words. */
static int set_text(struct config *config, const struct setting *setting, const char *given_as,
                    const char *value, struct err *err)
{
    if (strchr(setting->unit, '|') != NULL) {
        const char *at = setting->unit;
        size_t n = strlen(value);
        bool one_word = strchr(value, '|') == NULL;

        while (!one_word || strncmp(at, value, n) != 0 || (at[n] != '|' && at[n] != '\0')) {
            at = strchr(at, '|');
            if (at == NULL)
                return err_set(err, ERR_REQUEST, 0, "%s=%s: want %s", given_as, value,
                               setting->unit);
            at++;
        }
    }
    *(const char **)field(config, setting) = value;
    return 0;
}

static bool is_switch_value(const char *text)
{
    return strcmp(text, "0") == 0 || strcmp(text, "1") == 0;
}

/* Apache's switches are on when they hold anything. */
static bool is_on(const char *value)
{
    return value[0] != '\0' && strcmp(value, "0") != 0;
}

static int set(struct config *config, const struct setting *setting, const char *given_as,
               const char *value, struct err *err)
{
    switch (setting->kind) {
    case SETTING_COUNT:
        if (strcmp(value, "auto") == 0) {
            *(uint64_t *)field(config, setting) = 0;
            return 0;
        }
        return set_number(config, setting, given_as, value, err);
    case SETTING_NUMBER:
        return set_number(config, setting, given_as, value, err);
    case SETTING_TEXT:
        return set_text(config, setting, given_as, value, err);
    case SETTING_SWITCH:
        if (!is_switch_value(value))
            return err_set(err, ERR_REQUEST, 0, "%s=%s: want 0 or 1", given_as, value);
        *(uint64_t *)field(config, setting) = value[0] == '1';
        return 0;
    }
    return 0;
}

static void variable_name(const struct setting *setting, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "WHISKLOOP_%s", setting->name);

    assert(n < size);
    for (char *at = out; *at != '\0'; at++)
        *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
}

static void set_defaults(struct config *config)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        if (settings[i].kind == SETTING_TEXT)
            *(const char **)field(config, &settings[i]) = settings[i].text;
        else
            *(uint64_t *)field(config, &settings[i]) = settings[i].fallback;
    }
}

static int set_from_environment(struct config *config, struct err *err)
{
    const char *value;

    for (size_t i = 0; i < ARRAY_LEN(synonyms); i++) {
        const struct setting *setting = find(synonyms[i].setting, strlen(synonyms[i].setting));
        const char *only = synonyms[i].only;

        assert(setting != NULL);
        value = getenv(synonyms[i].variable);
        /* Two may stand for one switch: the one that is off must not undo the other. */
        if (value != NULL && setting->kind == SETTING_SWITCH) {
            if (!(only != NULL ? strcmp(value, only) == 0 : is_on(value)))
                continue;
            value = "1";
        }
        if (value != NULL && set(config, setting, synonyms[i].variable, value, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        char name[64];

        variable_name(&settings[i], name, sizeof(name));
        value = getenv(name);
        if (value != NULL && set(config, &settings[i], name, value, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- what Apache's ActionLoop proxy takes: one dash or two, as Go's flags ---- */

/* The value of `arg` behind -NAME= or --NAME=; "" for the bare name; NULL: another option. */
static const char *proxy_option(const char *arg, const char *name)
{
    size_t n = strlen(name);

    if (arg[0] != '-')
        return NULL;
    arg += arg[1] == '-' ? 2 : 1;
    if (strncmp(arg, name, n) != 0 || (arg[n] != '\0' && arg[n] != '='))
        return NULL;
    return arg + n;
}

/* How many arguments it took; 0: it is none of these; -1: err filled. */
static int set_from_proxy_option(struct config *config, int n_left, char **args, struct err *err)
{
    const char *debug = proxy_option(args[0], "debug");
    const char *compile = proxy_option(args[0], "compile");
    const char *env = proxy_option(args[0], "env");
    const char *value = compile != NULL ? compile : env;

    if (debug != NULL) {
        config->debug = strcmp(debug, "=false") != 0 && strcmp(debug, "=0") != 0;
        if (config->debug)
            config->allow_reinit = 1; /* as OW_DEBUG does, see synonyms */
        return 1;
    }
    if (value == NULL)
        return 0;
    if (value[0] == '\0' && n_left < 2)
        return err_set(err, ERR_REQUEST, 0, "%s: a value is missing (%s)", args[0],
                       compile != NULL ? "MAIN" : "JSON");
    *(compile != NULL ? &config->compile_main : &config->compile_env) =
        value[0] == '=' ? value + 1 : args[1];
    return value[0] == '=' ? 1 : 2;
}

/* One option: --name=value, --name value, or --switch. Returns how many arguments it took. */
static int set_from_option(struct config *config, int n_left, char **args, struct err *err)
{
    const char *name = args[0] + 2;
    size_t n = strcspn(name, "=");
    const struct setting *setting = strncmp(args[0], "--", 2) == 0 ? find(name, n) : NULL;
    char given_as[64];

    if (setting == NULL)
        return err_set(err, ERR_REQUEST, 0, "%s: no such option; --help lists them", args[0]);
    (void)snprintf(given_as, sizeof(given_as), "--%s", setting->name);
    if (name[n] == '=')
        return set(config, setting, given_as, name + n + 1, err) < 0 ? -1 : 1;
    if (setting->kind == SETTING_SWITCH && (n_left < 2 || !is_switch_value(args[1])))
        return set(config, setting, given_as, "1", err) < 0 ? -1 : 1;
    if (n_left < 2)
        return err_set(err, ERR_REQUEST, 0, "%s: a value is missing (%s)", given_as, setting->unit);
    return set(config, setting, given_as, args[1], err) < 0 ? -1 : 2;
}

/* ---- commands ---- */

static const struct command_word {
    const char *name;
    enum command_kind kind;
    bool needs_file;
    bool takes_argument;
    const char *usage;
    const char *help;
} commands[] = {
    {"invoke", COMMAND_INVOKE, true, true, "invoke FILE [ARGUMENT]",
     "run the action in FILE once, without HTTP: its answer on stdout, its log on stderr. ARGUMENT: "
     "JSON, @FILE or - for stdin [{}]. Ends with 0; with 1 when the action failed or answered with "
     "an error; with 2 when this was called wrongly"},
    {"pipe", COMMAND_PIPE, false, false, "pipe [FILE]",
     "read lines of JSON, each the body of a /run as {\"value\":{...}}, and write for each a line "
     "with its answer, in order; without FILE the carried action (--action) answers"},
};

static const struct command_word *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static const struct command_word *command_of(const struct config *config)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (commands[i].kind == config->command)
            return &commands[i];
    return NULL;
}

/* A word that is no option, nor the value of one: the command, its FILE, its ARGUMENT. */
static int set_from_word(struct config *config, const char *word, struct err *err)
{
    const struct command_word *command = command_of(config);

    if (command == NULL) {
        command = find_command(word);
        if (command == NULL)
            return err_set(err, ERR_REQUEST, 0, "%s: no such command; --help lists them", word);
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

/* What only the whole command line can tell. */
static int check_words(const struct config *config, struct err *err)
{
    const struct command_word *command = command_of(config);

    if (command == NULL)
        return 0;
    if (command->needs_file && config->file == NULL)
        return err_set(err, ERR_REQUEST, 0, "%s: FILE is missing; usage: whiskloop %s",
                       command->name, command->usage);
    if (config->compile_main != NULL)
        return err_set(err, ERR_REQUEST, 0, "%s: not together with -compile", command->name);
    return 0;
}

static bool is_word(const char *arg)
{
    return arg[0] != '-' || arg[1] == '\0';
}

enum config_result config_read(struct config *config, int argc, char **argv, struct err *err)
{
    enum config_result result = CONFIG_RUN;
    int taken;

    set_defaults(config);
    config->compile_main = config->compile_env = NULL;
    config->command = COMMAND_SERVE;
    config->command_name = config->file = config->argument = NULL;
    config->debug = getenv("OW_DEBUG") != NULL && getenv("OW_DEBUG")[0] != '\0';
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0 ||
            strcmp(argv[i], "-help") == 0)
            return CONFIG_HELP;
        if (strcmp(argv[i], "--help-markdown") == 0)
            return CONFIG_HELP_MD;
        if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-version") == 0)
            return CONFIG_VERSION;
    }
    if (set_from_environment(config, err) < 0)
        return CONFIG_WRONG;
    for (int i = 1; i < argc; i += taken) {
        taken = 1;
        if (strcmp(argv[i], "--health") == 0) {
            result = CONFIG_HEALTH;
            continue;
        }
        taken = is_word(argv[i]) ? set_from_word(config, argv[i], err)
                                 : set_from_proxy_option(config, argc - i, argv + i, err);
        if (taken == 0)
            taken = set_from_option(config, argc - i, argv + i, err);
        if (taken < 0)
            return CONFIG_WRONG;
    }
    if (check_words(config, err) < 0)
        return CONFIG_WRONG;
    return result;
}

/* ---- help ---- */

static void format_default(const struct setting *setting, char *out, size_t size)
{
    if (setting->kind == SETTING_TEXT)
        (void)snprintf(out, size, "%s", setting->text);
    else
        (void)snprintf(out, size, "%llu", (unsigned long long)setting->fallback);
}

void config_help(FILE *file)
{
    (void)fprintf(file, "Usage: whiskloop [OPTION]... [COMMAND]\n\n"
                        "Keep an OpenWhisk action resident behind POST /init and POST /run.\n"
                        "Or do one of these instead, with FILE as for --action:\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        (void)fprintf(file, "  %s\n      %s\n", commands[i].usage, commands[i].help);
    (void)fprintf(file, "Each option is also an environment variable: --queue-max is "
                        "WHISKLOOP_QUEUE_MAX.\n\n");
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        char left[64];
        char value[32];

        (void)snprintf(left, sizeof(left),
                       settings[i].kind == SETTING_SWITCH ? "--%s[=%s]" : "--%s %s",
                       settings[i].name, settings[i].unit);
        format_default(&settings[i], value, sizeof(value));
        (void)fprintf(file, "  %s\n      %s", left, settings[i].help);
        (void)fprintf(file, value[0] != '\0' ? " [%s]\n" : "%s\n", value);
    }
    (void)fprintf(
        file, "As ActionLoop's proxy:\n"
              "  -compile MAIN\n      do not serve: build the code on stdin, write a zip to "
              "stdout\n"
              "  -env JSON\n      variables for -compile\n"
              "  -debug\n      tell each step in the proxy's own log, keep what failed, allow a "
              "further /init; also OW_DEBUG\n"
              "  --health\n      ask the proxy that runs with the same --admin whether it is "
              "well; ends with 0 or 1\n  --version\n  --help\n");
}

void config_help_markdown(FILE *file)
{
    (void)fprintf(file, "| option | variable | default | what it sets |\n|---|---|---|---|\n");
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        char name[64];
        char value[32];

        variable_name(&settings[i], name, sizeof(name));
        format_default(&settings[i], value, sizeof(value));
        (void)fprintf(file, "| `--%s` | `%s` | %s | %s |\n", settings[i].name, name,
                      value[0] != '\0' ? value : "-", settings[i].help);
    }
}

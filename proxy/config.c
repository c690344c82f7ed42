#include "config.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/exec_spec.h"
#include "base/log.h"
#include "base/suggest.h"
#include "base/util.h"

#define SERVICE_LINK_END "_PORT" /* how the variable with the address of a service ends */

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
#define SIGNED(name, field, max, unit, help)                                                       \
    {                                                                                              \
        name, SETTING_SIGNED, offsetof(struct config, field), 0, 0, max, NULL, unit, help          \
    }
#define SWITCH(name, field, fallback, help)                                                        \
    {                                                                                              \
        name, SETTING_SWITCH, offsetof(struct config, field), 0, fallback, 1, NULL, "0|1", help    \
    }

#define DAY_MS 86400000u
#define MIB    (UINT64_C(1) << 20)
#define GIB    (UINT64_C(1) << 30)

const struct setting settings[] = {
    NUMBER("port", port, 0, 8080, 65535, "PORT", "TCP port to listen on; 0: any free port"),
    TEXT("listen", listen, "0.0.0.0", "ADDRESS",
         "IPv4 or IPv6 address to listen on, as a number (127.0.0.1: this machine only), or a Unix "
         "socket: unix:PATH[,mode=OCTAL][,owner=USER[:GROUP]]"),
    TEXT(
        "admin", admin, "", "WHERE",
        "serve /healthz, /readyz and /metrics at ADDRESS:PORT or unix:PATH (as for --listen); empty: "
        "nowhere"),
    TEXT("runtime", runtime, "auto", "NAME",
         "language of source text whose file name does not tell it; auto: python, or in an "
         "ActionLoop image what OW_COMPILER compiles"),
    TEXT("runtime-dir", runtime_dir, "", "DIR",
         "folder of the runtimes; empty: the one installed with this program"),
    TEXT(
        "action-dir", action_dir, "", "DIR",
        "folder in which actions are unpacked; empty: a private folder in TMPDIR, deleted at exit"),
    TEXT("action", action, "/action", "PATH",
         "file or folder of an action to start at once, without an /init; a folder is used in "
         "place; the default may be missing or empty"),
    TEXT("main", main, "", "NAME", "function to call in --action or FILE; empty: main"),
    TEXT("functions", functions, "", "NAME,...",
         "functions to call instead of --main: the member method of a request chooses one, and the "
         "first is the default"),
    TEXT("answers", answers, "auto", "auto|stdout|fd3",
         "where an executable writes its answers; auto: on descriptor 1 or 3, whichever carries "
         "the first answer"),
    TEXT("pass-headers", pass_headers, "", "NAME,...",
         "headers of a /run that the action sees: X-Foo as __OW_HEADER_X_FOO; empty: none"),
    NUMBER("timeout", timeout_ms, 1, 300000, DAY_MS, "MS",
           "time limit of an activation, including its wait in the queue; the request's own "
           "deadline may be sooner"),
    SIGNED("deadline-margin", deadline_margin_ms, 10000, "MS|auto",
           "how long before its deadline an activation is answered with a timeout error; negative: "
           "after it, so that an invoker records a timeout; auto: -20 where __OW_API_HOST is set "
           "(OpenWhisk), else 50"),
    SWITCH("no-deadlines", no_deadlines, 0,
           "for debugging: no time limit for an activation, whatever its request says, nor for an "
           "/init"),
    NUMBER("init-timeout", init_timeout_ms, 1, 300000, DAY_MS, "MS",
           "time limit of an /init, and of each later start of the action"),
    NUMBER("settle-time", settle_ms, 1, 100, 60000, "MS",
           "how long a program without a ready line must stay idle to count as started; less if it "
           "waits for input; a busy one counts after ten times as much processor time"),
    NUMBER("kill-after", kill_ms, 0, 500, 60000, "MS",
           "time from SIGTERM to SIGKILL when a process of the action must end"),
    NUMBER("health-interval", health_ms, 0, 0, DAY_MS, "MS",
           "how often an idle process of the action is looked at; one that is stopped, or whose "
           "launcher no longer reads, is replaced; 0: never"),
    NUMBER("restart-pause", restart_pause_ms, 0, 100, 60000, "MS",
           "pause before the restart that follows a second idle or start crash in a row; doubled "
           "after each further one"),
    NUMBER("restart-pause-max", restart_pause_max_ms, 0, 10000, DAY_MS, "MS",
           "longest pause before a restart"),
    NUMBER("broken-after", broken_after, 0, 5, 1000000, "N",
           "idle or start crashes in a row after which every /run fails with 502 until a start "
           "succeeds; 0: never"),
    NUMBER("broken-life", broken_life_ms, 1, 60000, DAY_MS, "MS",
           "a crash after a longer uptime than this resets the count of --broken-after"),
    NUMBER("drain-timeout", drain_timeout_ms, 0, 30000, DAY_MS, "MS",
           "how long running activations may take to finish after SIGTERM"),
    NUMBER("drain-delay", drain_delay_ms, 0, 0, DAY_MS, "MS",
           "how long it serves on after SIGTERM before it drains, while /readyz says 503"),
    NUMBER("idle-timeout", idle_timeout_ms, 100, 300000, DAY_MS, "MS",
           "close a connection that sends no complete request for this long"),
    COUNT("workers", workers, 1, 256,
          "processes of the action that run side by side; auto: one per processor, within the "
          "container's CPU quota"),
    NUMBER("queue-max", queue_max, 0, 1024, 1000000, "N",
           "activations that may wait for the action; further ones are answered with 429"),
    NUMBER("write-ahead", write_ahead, 1, 64, 1024, "LINES",
           "most activations sent ahead to a launcher that announces a pipeline; 1: one at a time"),
    NUMBER(
        "pipeline", pipeline, 0, 0, 1024, "LINES",
        "activations sent ahead to an action that announces nothing but answers each line with one "
        "line, strictly in order; 0: one at a time"),
    SWITCH(
        "wake-near", wake_near, 0,
        "wake an action that answers within microseconds on the processor that the proxy runs on; "
        "a process that it starts in that moment may keep to this processor"),
    NUMBER(
        "busy-poll", busy_poll_us, 0, 100, 10000, "US",
        "look for events for so long before sleeping, while they follow each other that closely; "
        "0: never, as with one processor"),
    NUMBER("run-max-bytes", run_max_bytes, 2, 64 * MIB, 4 * GIB, "BYTES", "largest body of a /run"),
    NUMBER("init-max-bytes", init_max_bytes, 2, 128 * MIB, 4 * GIB - 1, "BYTES",
           "largest body of an /init"),
    NUMBER("answer-max-bytes", answer_max_bytes, 2, 64 * MIB, 4 * GIB, "BYTES",
           "longest answer of the action"),
    COUNT("held-max-bytes", held_max_bytes, 0, 1024 * GIB,
          "most bytes of bodies that arrive or wait and of answers that have not left; more is "
          "refused with 429; auto: a quarter of the memory that the container has"),
    NUMBER("transfer-timeout", transfer_ms, 100, 60000, DAY_MS, "MS",
           "a client that sends less than 64 KiB of its request, or takes less than 64 KiB of its "
           "answer, in so long is disconnected"),
    NUMBER(
        "connections-max", connections_max, 1, 4096, 1000000, "N",
        "most connections of clients, and fewer where the limit on descriptors says so; one more "
        "takes the place of the one that has been idle longest"),
    TEXT("in", in, "", "FIFO",
         "named pipe that pipe reads, reopened when a writer leaves; empty: stdin"),
    TEXT("out", out, "", "FIFO",
         "named pipe that pipe writes, reopened when a reader leaves; empty: stdout"),
    NUMBER("pipe-max-bytes", pipe_max_bytes, 1, 64 * MIB, 1024 * GIB, "BYTES",
           "lines and answers that pipe buffers; when full, it reads no input until answers are "
           "read"),
    SWITCH(
        "parts", parts, 0,
        "for pipe and invoke: write each part of an answer as {\"part\":...} when it comes, then "
        "{\"result\":...} or {\"error\":...}"),
    SWITCH(
        "text", text, 0,
        "for pipe: a line of text is the argument {\"line\":\"...\"}, and a text that is the result "
        "is a line"),
    SWITCH("announce", announce, 0,
           "for pipe: write the line {\"ready\":true} once the action is loaded"),
    SWITCH(
        "any", any, 0,
        "results, ARGUMENT of invoke and lines of pipe may be any JSON value, not only objects and "
        "arrays"),
    TEXT("invoke", invoke, "", "ARGUMENT",
         "what dev runs the action with after each save: JSON or @FILE; empty: it does not"),
    NUMBER("inspect", inspect, 0, 0, 65535, "[PORT]",
           "port on which dev lets a debugger attach, without time limits; without PORT the "
           "debugger's own; 0: none"),
    SWITCH("open", open, 0, "let dev open its page in the browser"),
    SWITCH("no-page", no_page, 0, "let dev serve /run and /init only"),
    NUMBER("unpack-max-bytes", unpack_max_bytes, 1, GIB, 1024 * GIB, "BYTES",
           "largest unpacked size of an archive"),
    NUMBER("unpack-entries-max", unpack_entries_max, 1, 100000, 100000000, "N",
           "most files and folders in an archive"),
    NUMBER("unpack-ratio-max", unpack_ratio_max, 0, 200, 1000000, "N",
           "most unpacked bytes per byte of an archive larger than 1 MiB; 0: no limit"),
    TEXT("user", user, "", "USER[:GROUP]",
         "run actions as this user, a number or a name in /etc/passwd; needs root"),
    SWITCH("no-new-privs", no_new_privs, 0,
           "actions gain no rights from setuid programs such as sudo and ping; implied by --user"),
    SWITCH("dumpable", dumpable, 0,
           "let debuggers attach to the proxy and let it dump core; an action that runs as the "
           "same user can then read its memory"),
    NUMBER("rlimit-as", rlimits[LIMIT_AS], 0, 0, UINT64_C(1) << 62, "BYTES",
           "address space of each process of the action; 0: unchanged"),
    NUMBER("rlimit-nproc", rlimits[LIMIT_NPROC], 0, 0, UINT32_MAX, "N",
           "processes and threads of the action's user, all together; needs --user, as root is "
           "never limited; 0: unchanged"),
    NUMBER("rlimit-nofile", rlimits[LIMIT_NOFILE], 0, 0, UINT32_MAX, "N",
           "open files of each process of the action; 0: unchanged"),
    NUMBER("rlimit-fsize", rlimits[LIMIT_FSIZE], 0, 0, UINT64_C(1) << 62, "BYTES",
           "largest file that the action may write; 0: unchanged"),
    NUMBER("rlimit-cpu", rlimits[LIMIT_CPU], 0, 0, UINT32_MAX, "SECONDS",
           "processor time of each process of the action, over all its activations; then it is "
           "killed and restarted; 0: unchanged"),
    SWITCH("prelaunch", prewarmed, 1,
           "start the interpreter of --runtime before there is an action, for a quicker /init"),
    SWITCH("allow-reinit", allow_reinit, 0,
           "for development: a further /init replaces the action instead of failing with 403; no "
           "request is lost"),
    SWITCH("fork-workers", fork_workers, 0,
           "load the action once and fork its workers, which then share memory; where the runtime "
           "and the code allow it (generators of random numbers made while loading repeat)"),
    SWITCH("one-at-a-time", one_at_a_time, 0,
           "refuse a /run with 403 while another is running, instead of queueing it; "
           "__OW_ALLOW_CONCURRENT=true turns this off"),
    SWITCH("log-init-error", log_init_error, 0,
           "write the reason of a failed /init to the action's log and not into the reply, for "
           "executables too"),
    TEXT("log-level", log_level, "auto", "auto|off|error|warn|info|debug",
         "what the proxy logs: info adds starts and ends, debug each activation; auto: info to "
         "--log-file, warn to stderr, which carries the action's log too"),
    TEXT("log-format", log_format, "text", "text|json",
         "format of the proxy's log: plain text, or one JSON object per line"),
    TEXT("log-file", log_file, "", "FILE",
         "append the proxy's log to this file, reopened on SIGHUP; empty: stderr"),
    TEXT("end-marks", end_marks, "auto", "auto|on|off",
         "write a mark after each activation's log, by which the platform finds its end; auto: "
         "not on a terminal"),
};
const size_t n_settings = ARRAY_LEN(settings);

/* The topics of --help all, each with the name of its first setting, in the order of the table
 * `settings`. */
const struct topic topics[] = {
    {"Serving", "port"},
    {"Action", "runtime"},
    {"Time limits and restarts", "timeout"},
    {"Processes and queue", "workers"},
    {"Size limits", "run-max-bytes"},
    {"pipe", "in"},
    {"dev", "invoke"},
    {"Archives", "unpack-max-bytes"},
    {"Privileges and resources of the action", "user"},
    {"Starting and replacing", "prelaunch"},
    {"Log", "log-init-error"},
};
const size_t n_topics = ARRAY_LEN(topics);

/* Environment variables of other proxies, each of which sets one of our settings. */
static const struct {
    const char *variable;
    const char *setting;
    const char *only; /* for a switch: the only value that turns it on; NULL: see is_on() */
} synonyms[] = {
    {"FLASK_PROXY_PORT", "port", NULL},
    {"OW_LOG_INIT_ERROR", "log-init-error", NULL},
    {"PROXY_ALLOW_REINIT", "allow-reinit", "1"},
};

static void *field(struct config *config, const struct setting *setting)
{
    assert(setting->offset < sizeof(*config));
    return (char *)config + setting->offset;
}

const struct setting *setting_find(const char *name, size_t n)
{
    for (size_t i = 0; i < n_settings; i++)
        if (strlen(settings[i].name) == n && memcmp(settings[i].name, name, n) == 0)
            return &settings[i];
    return NULL;
}

const char *setting_unit(const struct setting *setting)
{
    static const struct {
        const char *unit;
        const char *said;
    } units[] = {{"MS", " ms"},           {"US", " us"},       {"MS|auto", " ms"},
                 {"SECONDS", " seconds"}, {"BYTES", " bytes"}, {"LINES", " lines"}};

    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (strcmp(setting->unit, units[i].unit) == 0)
            return units[i].said;
    return "";
}

static int set_number(struct config *config, const struct setting *setting, const char *given_as,
                      const char *value, struct err *err)
{
    bool is_auto = setting->kind == SETTING_COUNT && strcmp(value, "auto") == 0;
    uint64_t number;
    char *end;

    assert(setting->min <= setting->max);
    errno = 0;
    number = strtoull(value, &end, 10);
    if (!is_auto && (!isdigit((unsigned char)value[0]) || *end != '\0' || errno != 0 ||
                     number < setting->min || number > setting->max))
        return err_set(err, ERR_REQUEST, 0, "%s=%s: want a number from %llu to %llu%s%s", given_as,
                       value, (unsigned long long)setting->min, (unsigned long long)setting->max,
                       setting_unit(setting), setting->kind == SETTING_COUNT ? ", or auto" : "");
    *(uint64_t *)field(config, setting) = is_auto ? 0 : number;
    return 0;
}

static int set_signed(struct config *config, const struct setting *setting, const char *given_as,
                      const char *value, struct err *err)
{
    const char *digits = value + (value[0] == '-');
    bool is_auto = strcmp(value, "auto") == 0;
    long long number;
    char *end;

    assert(setting->max <= INT64_MAX);
    errno = 0;
    number = strtoll(value, &end, 10);
    if (!is_auto && (!isdigit((unsigned char)digits[0]) || *end != '\0' || errno != 0 ||
                     number < -(long long)setting->max || number > (long long)setting->max))
        return err_set(err, ERR_REQUEST, 0, "%s=%s: want a number from -%llu to %llu%s, or auto",
                       given_as, value, (unsigned long long)setting->max,
                       (unsigned long long)setting->max, setting_unit(setting));
    *(int64_t *)field(config, setting) = is_auto ? CONFIG_AUTO : (int64_t)number;
    return 0;
}

/* Set a text setting. If the unit lists words separated by bars, such as "on|off", refuse any other
 * value. */
static int set_text(struct config *config, const struct setting *setting, const char *given_as,
                    const char *value, struct err *err)
{
    if (strchr(setting->unit, '|') != NULL && !text_has_word(setting->unit, '|', value))
        return err_set(err, ERR_REQUEST, 0, "%s=%s: want %s", given_as, value, setting->unit);
    *(const char **)field(config, setting) = value;
    return 0;
}

bool setting_is_switch_value(const char *text)
{
    return strcmp(text, "0") == 0 || strcmp(text, "1") == 0;
}

/* Whether a variable of Apache's proxies turns a switch on: any value does but "" and "0". */
static bool is_on(const char *value)
{
    return value[0] != '\0' && strcmp(value, "0") != 0;
}

int setting_set(struct config *config, const struct setting *setting, const char *given_as,
                const char *value, struct err *err)
{
    switch (setting->kind) {
    case SETTING_COUNT:
    case SETTING_NUMBER:
        return set_number(config, setting, given_as, value, err);
    case SETTING_SIGNED:
        return set_signed(config, setting, given_as, value, err);
    case SETTING_TEXT:
        return set_text(config, setting, given_as, value, err);
    case SETTING_SWITCH:
        if (!setting_is_switch_value(value))
            return err_set(err, ERR_REQUEST, 0, "%s=%s: want 0 or 1", given_as, value);
        *(uint64_t *)field(config, setting) = value[0] == '1';
        return 0;
    }
    return 0;
}

void setting_variable(const struct setting *setting, char *out)
{
    size_t n = (size_t)snprintf(out, SETTING_NAME_MAX, SETTING_VARIABLE "%s", setting->name);

    assert(n < SETTING_NAME_MAX);
    for (char *at = out; *at != '\0'; at++)
        *at = (char)(*at == '-' ? '_' : toupper((unsigned char)*at));
}

void config_set_defaults(struct config *config)
{
    memset(config, 0, sizeof(*config));
    for (size_t i = 0; i < n_settings; i++) {
        assert(settings[i].fallback <= settings[i].max);
        if (settings[i].kind == SETTING_TEXT)
            *(const char **)field(config, &settings[i]) = settings[i].text;
        else if (settings[i].kind == SETTING_SIGNED)
            *(int64_t *)field(config, &settings[i]) = CONFIG_AUTO;
        else
            *(uint64_t *)field(config, &settings[i]) = settings[i].fallback;
    }
}

/* Whether the variable is no setting, but comes from Kubernetes: for a service NAME, it sets
 * NAME_PORT=tcp://10.0.0.1:80 in each pod of the namespace. n: length of the variable's name. */
static bool is_service_link(const char *name, size_t n, const char *value)
{
    size_t n_end = strlen(SERVICE_LINK_END);

    return n > n_end && memcmp(name + n - n_end, SERVICE_LINK_END, n_end) == 0 &&
           strstr(value, "://") != NULL;
}

/* Value of a variable that may set one of our settings; NULL: none. */
static const char *setting_from_environment(const char *name)
{
    const char *value = getenv(name);

    return value == NULL || is_service_link(name, strlen(name), value) ? NULL : value;
}

int config_set_from_environment(struct config *config, struct err *err)
{
    const char *value;

    for (size_t i = 0; i < ARRAY_LEN(synonyms); i++) {
        const struct setting *setting =
            setting_find(synonyms[i].setting, strlen(synonyms[i].setting));
        const char *only = synonyms[i].only;

        assert(setting != NULL);
        value = setting_from_environment(synonyms[i].variable);
        /* a value that turns the switch on counts as 1; any other leaves the switch as it is */
        if (value != NULL && setting->kind == SETTING_SWITCH) {
            if (!(only != NULL ? strcmp(value, only) == 0 : is_on(value)))
                continue;
            value = "1";
        }
        if (value != NULL && setting_set(config, setting, synonyms[i].variable, value, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < n_settings; i++) {
        char name[SETTING_NAME_MAX];

        setting_variable(&settings[i], name);
        value = setting_from_environment(name);
        if (value != NULL && setting_set(config, &settings[i], name, value, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- WHISKLOOP_... variables that are no settings ---- */

/* Warn of the variable `name`, which begins with WHISKLOOP_ and belongs to no setting. */
static void warn_of_unknown(const char *name)
{
    struct suggest suggest = {.word = name + strlen(SETTING_VARIABLE)};
    char known[ARRAY_LEN(settings)][SETTING_NAME_MAX];

    for (size_t i = 0; i < n_settings; i++) {
        setting_variable(&settings[i], known[i]);
        suggest_offer(&suggest, known[i] + strlen(SETTING_VARIABLE));
    }
    log_warn("config.variable", log_text("unknown", name),
             log_text("did_you_mean",
                      suggest.best != NULL ? suggest.best - strlen(SETTING_VARIABLE) : NULL),
             log_text("hint", "whiskloop --help all lists the settings"));
}

/* Whether the variable is one of those that Kubernetes sets beside NAME_PORT, such as
 * NAME_SERVICE_HOST and NAME_PORT_80_TCP. */
static bool is_of_service(char *const *environment, const char *name)
{
    for (; *environment != NULL; environment++) {
        const char *link = *environment;
        size_t n = strcspn(link, "=");
        size_t n_service;

        if (!is_service_link(link, n, link + n))
            continue;
        n_service = n - strlen(SERVICE_LINK_END);
        if (strncmp(name, link, n_service) == 0 &&
            (strncmp(name + n_service, SERVICE_LINK_END, strlen(SERVICE_LINK_END)) == 0 ||
             strncmp(name + n_service, "_SERVICE_", strlen("_SERVICE_")) == 0))
            return true;
    }
    return false;
}

/* Whether the variable sets a setting, in our own words or another proxy's. */
static bool is_setting(const char *name)
{
    char known[SETTING_NAME_MAX];

    for (size_t i = 0; i < ARRAY_LEN(synonyms); i++)
        if (strcmp(name, synonyms[i].variable) == 0)
            return true;
    for (size_t i = 0; i < n_settings; i++) {
        setting_variable(&settings[i], known);
        if (strcmp(name, known) == 0)
            return true;
    }
    return false;
}

void config_warn_of_variables(char *const *environment)
{
    for (char *const *at = environment; at != NULL && *at != NULL; at++) {
        auto_free char *name = xstrndup(*at, strcspn(*at, "="));
        size_t n = strlen(name);

        if (is_setting(name)) {
            if (is_service_link(name, n, *at + n))
                log_warn("config.variable", log_text("ignored", name),
                         log_text("hint", "it is the address of a Kubernetes service; set "
                                          "enableServiceLinks: false for the pod"));
        } else if (strncmp(name, SETTING_VARIABLE, strlen(SETTING_VARIABLE)) == 0 &&
                   !is_of_service(environment, name)) {
            warn_of_unknown(name);
        }
    }
}

void config_done(struct config *config)
{
    free(TAKE(config->code));
    free(TAKE(config->folder));
    strv_free(&config->env);
    strv_free(&config->metadata);
}

#pragma once

/*
 * config - the program's settings: one table defines their options, environment variables, help and
 * documentation.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/privileges.h"

struct err;

/* The command that the program was started with. */
enum command_kind {
    COMMAND_SERVE,
    COMMAND_INVOKE,
    COMMAND_PIPE,
    COMMAND_DEV,
    COMMAND_NEW,
    COMMAND_TEST,
};

#define CONFIG_AUTO INT64_MIN /* value of a signed setting that was given as "auto" */

#define CONFIG_INSPECT_SIZE 64 /* room for the HOST:PORT at which a debugger attaches */

/* Texts are borrowed from argv, the environment or the table `settings`. */
struct config {
    uint64_t port;
    const char *listen;
    const char *admin;
    const char *runtime;
    const char *runtime_dir;
    const char *action_dir;
    const char *action;
    const char *main;
    const char *functions; /* functions that can be called, separated by commas; "": only `main` */
    const char *answers;
    const char *pass_headers;
    const char *user;
    uint64_t no_new_privs;
    uint64_t dumpable;
    uint64_t rlimits[LIMIT_COUNT]; /* limits of the action's processes; 0: the proxy's own limit */
    uint64_t timeout_ms;
    int64_t deadline_margin_ms; /* may be CONFIG_AUTO */
    uint64_t no_deadlines;
    uint64_t init_timeout_ms;
    uint64_t settle_ms;
    uint64_t kill_ms;
    uint64_t health_ms;
    uint64_t restart_pause_ms;
    uint64_t restart_pause_max_ms;
    uint64_t broken_after;
    uint64_t broken_life_ms;
    uint64_t drain_timeout_ms;
    uint64_t drain_delay_ms;
    uint64_t idle_timeout_ms;
    uint64_t workers; /* 0: the number of usable processors */
    uint64_t queue_max;
    uint64_t write_ahead;
    uint64_t pipeline;
    uint64_t wake_near;
    uint64_t busy_poll_us;
    uint64_t run_max_bytes;
    uint64_t init_max_bytes;
    uint64_t answer_max_bytes;
    uint64_t held_max_bytes; /* 0: a share of the available memory */
    uint64_t transfer_ms;
    uint64_t connections_max;
    const char *in;
    const char *out;
    uint64_t pipe_max_bytes;
    uint64_t parts;
    uint64_t text;
    uint64_t any;
    uint64_t announce;
    uint64_t unpack_max_bytes;
    uint64_t unpack_entries_max;
    uint64_t unpack_ratio_max;
    uint64_t prewarmed;
    uint64_t allow_reinit;
    uint64_t fork_workers;
    uint64_t one_at_a_time;
    uint64_t log_init_error;
    const char *invoke;
    uint64_t inspect;
    uint64_t open;
    uint64_t no_page;
    const char *log_level;
    const char *log_format;
    const char *log_file;
    const char *end_marks;

    /* Not in the table `settings`: words of the command line, and options that may be repeated. */
    enum command_kind command;
    const char *command_name; /* the command's word, such as "pipe"; NULL: COMMAND_SERVE */
    const char *file;         /* FILE of a command, or LANGUAGE of new; NULL: not given */
    const char *argument;     /* ARGUMENT of invoke, or FOLDER of new; NULL: not given */
    char *code;      /* owned; for test: the action's path, to which `file` points; NULL: none */
    char *folder;    /* owned; for test: the folder with input*.json; NULL: none */
    char **env;      /* NAME=value of each -e and of --env-file; owned; NULL: none */
    char **metadata; /* KEY=value of each -m; owned; NULL: none */

    /* Not in the table `settings`: options of Apache's ActionLoop proxy. */
    bool debug;               /* -debug is given */
    const char *compile_main; /* -compile MAIN: name of the function; NULL: not given */
    const char *compile_env;  /* -env JSON: variables for -compile; NULL: not given */

    /* Not in the table `settings`: the ADDRESS, if another tool has started the image with the
     * command `node --inspect=ADDRESS`; else "". */
    char inspect_at[CONFIG_INSPECT_SIZE];
};

enum setting_kind {
    SETTING_NUMBER,
    SETTING_COUNT,  /* a number, or "auto", which is kept as 0 */
    SETTING_SIGNED, /* int64_t: -max to max, or "auto", which is kept as CONFIG_AUTO */
    SETTING_TEXT,
    SETTING_SWITCH,
};

struct setting {
    const char *name; /* the option is --name, the environment variable WHISKLOOP_NAME */
    enum setting_kind kind;
    size_t offset;     /* offset of the setting's member in struct config */
    uint64_t min;      /* smallest value; numbers only */
    uint64_t fallback; /* default of a number or a switch */
    uint64_t max;      /* largest value; numbers only */
    const char *text;  /* default of a text */
    const char *unit;  /* kind of value, such as "PORT", or all accepted values: "auto|on|off" */
    const char *help;  /* one sentence, without a full stop */
};

/* A section of the text that --help all prints. */
struct topic {
    const char *title;
    const char *first; /* name of its first setting */
};

extern const struct setting settings[];
extern const size_t n_settings;
extern const struct topic topics[];
extern const size_t n_topics;

#define SETTING_VARIABLE "WHISKLOOP_"
#define SETTING_NAME_MAX 64 /* buffer size for a variable's name, in bytes */

/* Find the setting name[0 .. n). NULL: there is none. */
const struct setting *setting_find(const char *name, size_t n);
/* Set one setting. value: its text, borrowed for the life of `config`. given_as: how the user named
 * the setting, for error texts. 0, or -1. */
int setting_set(struct config *config, const struct setting *setting, const char *given_as,
                const char *value, struct err *err);
/* Whether a switch accepts this value. */
bool setting_is_switch_value(const char *text);
/* Write the name of a setting's variable, WHISKLOOP_NAME. out: room for SETTING_NAME_MAX bytes. */
void setting_variable(const struct setting *setting, char *out);
/* The unit that follows a number, " ms" or " bytes"; "" for a plain count. */
const char *setting_unit(const struct setting *setting);

void config_set_defaults(struct config *config);
/* Apply the variables of Apache's proxies, then WHISKLOOP_*. 0, or -1 with err. */
int config_set_from_environment(struct config *config, struct err *err);
/* Log a warning for each variable WHISKLOOP_... that belongs to no setting. */
void config_warn_of_variables(char *const *environment);
void config_done(struct config *config);

#pragma once

/*
 * config - the settings: one table makes options, environment variables, help and the README's
 * list.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/privileges.h"

struct err;

/* What the program is to do. */
enum command_kind {
    COMMAND_SERVE,
    COMMAND_INVOKE,
    COMMAND_PIPE,
};

/* Texts point into argv, the environment or the table's defaults. */
struct config {
    uint64_t port;
    const char *listen;
    const char *admin;
    const char *runtime;
    const char *runtime_dir;
    const char *action_dir;
    const char *action;
    const char *main;
    const char *answers;
    const char *user;
    uint64_t no_new_privs;
    uint64_t dumpable;
    uint64_t rlimits[LIMIT_COUNT]; /* 0: as ours */
    uint64_t timeout_ms;
    uint64_t deadline_margin_ms;
    uint64_t init_timeout_ms;
    uint64_t settle_ms;
    uint64_t kill_ms;
    uint64_t restart_pause_ms;
    uint64_t restart_pause_max_ms;
    uint64_t broken_after;
    uint64_t broken_life_ms;
    uint64_t drain_timeout_ms;
    uint64_t idle_timeout_ms;
    uint64_t workers; /* 0: as many as there are processors to use */
    uint64_t queue_max;
    uint64_t write_ahead;
    uint64_t pipeline;
    uint64_t run_max_bytes;
    uint64_t init_max_bytes;
    uint64_t answer_max_bytes;
    const char *in;
    const char *out;
    uint64_t pipe_max_bytes;
    uint64_t unpack_max_bytes;
    uint64_t unpack_entries_max;
    uint64_t unpack_ratio_max;
    uint64_t prelaunch;
    uint64_t allow_reinit;
    uint64_t fork_workers;
    uint64_t one_at_a_time;
    uint64_t log_init_error;
    const char *log_level;
    const char *log_format;
    const char *log_file;

    /* Not in the table: the words. */
    enum command_kind command;
    const char *command_name; /* NULL: COMMAND_SERVE */
    const char *file;         /* FILE of a command; NULL: the carried action */
    const char *argument;     /* ARGUMENT of invoke; NULL: none */

    /* Not in the table: what Apache's ActionLoop proxy takes on its command line. */
    bool debug;               /* -debug, or OW_DEBUG */
    const char *compile_main; /* -compile: the function's name; NULL: serve */
    const char *compile_env;  /* -env: JSON; NULL: none */
};

enum config_result {
    CONFIG_RUN,
    CONFIG_HEALTH,  /* ask the proxy that runs with these settings how it is */
    CONFIG_HELP,    /* print config_help() and end well */
    CONFIG_HELP_MD, /* print config_help_markdown() and end well */
    CONFIG_VERSION,
    CONFIG_WRONG, /* err filled: one line that says what was wrong and what is right */
};

/* Defaults, then Apache's variables, then WHISKLOOP_*, then options: the later one wins. */
enum config_result config_read(struct config *config, int argc, char **argv, struct err *err);
void config_help(FILE *file);
void config_help_markdown(FILE *file);

#pragma once

/*
 * arguments - read the command line: our options, options of Apache's ActionLoop proxy, commands
 * and their arguments.
 */

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

struct err;

#define DEV_LISTEN "127.0.0.1" /* where the command dev listens if no address is given */

enum config_result {
    CONFIG_RUN,
    CONFIG_HEALTH,       /* query the health of the proxy that runs with these settings */
    CONFIG_HELP,         /* call help_write() and exit with 0 */
    CONFIG_HELP_COMMAND, /* call help_write_command() for config->command and exit with 0 */
    CONFIG_HELP_ALL,     /* call help_write_all() and exit with 0 */
    CONFIG_HELP_MD,      /* call help_write_markdown() and exit with 0 */
    CONFIG_VERSION,
    CONFIG_WRONG, /* err filled: one line that says what was wrong and what is right */
};

struct command_word {
    const char *name;
    enum command_kind kind;
    bool needs_file;     /* needs a word after it: FILE for invoke, LANGUAGE for new */
    bool takes_argument; /* may have a second word: ARGUMENT for invoke, FOLDER for new */
    const char *usage;   /* the command with its words, such as "pipe [FILE]" */
    const char *help;    /* what the command does, for the help */
    const char *example; /* a command line, for the help */
    const char *options; /* options that the command's help lists, separated by blanks */
};

extern const struct command_word commands[];
extern const size_t n_commands;
/* The command of this kind. NULL for COMMAND_SERVE, which has no word on the command line. */
const struct command_word *command_of_kind(enum command_kind kind);

/* Read all settings: defaults, then environment variables of Apache's proxies, then those named
 * WHISKLOOP_*, then options. A later source wins. Reads the files of --env-file, too. Call
 * config_done() whatever the result. */
enum config_result config_read(struct config *config, int argc, char **argv, struct err *err);

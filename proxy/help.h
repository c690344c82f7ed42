#pragma once

/*
 * help - the output of --help, made from the table of settings.
 */

#include <stdio.h>

#include "config.h"

/* Write the commands, and the options that most people need. */
void help_write(FILE *file);
/* Write one command's usage, options and an example. */
void help_write_command(FILE *file, enum command_kind kind);
/* Write all options, by topic. */
void help_write_all(FILE *file);
/* Write the settings as a table in Markdown: | option | variable | default | what it sets |. */
void help_write_markdown(FILE *file);

#pragma once

/*
 * help - the output of --help, made from the table of settings.
 */

#include <stdio.h>

#include "config.h"

/* The commands, and the options that most people need. */
void help_write(FILE *file);
/* A command with its own options and an example. */
void help_write_command(FILE *file, enum command_kind kind);
/* All options, by topic. */
void help_write_all(FILE *file);
/* The settings as a table for the documents: | option | variable | default | what it sets |. */
void help_write_markdown(FILE *file);

#pragma once

/*
 * help - the output of --help, made from the table of settings.
 */

#include <stdio.h>

/* The options that people use. */
void help_write(FILE *file);
/* All options, by topic. */
void help_write_all(FILE *file);
/* The settings as a table for the documents: | option | variable | default | what it sets |. */
void help_write_markdown(FILE *file);

#pragma once

/*
 * script - tell whether a text with a #! line is a program or source code.
 *
 * Both reach /init as plain text. A program reads its input lines itself. Source code defines the
 * main function.
 */

#include <stdbool.h>
#include <stddef.h>

/* The items of a manifest's field "script": extended regular expressions in which {main} stands for
 * the main function's name. */
enum script_pattern {
    SCRIPT_INTERPRETER, /* matches a first line that names an interpreter of the language */
    SCRIPT_SOURCE,      /* matches text that defines the main function */
    SCRIPT_PROGRAM,     /* matches text that reads lines, which makes it a program */
    N_SCRIPT_PATTERNS,
};

/* Whether `text`, which begins with #!, is source. patterns: a manifest's "script"; NULL: no text
 * is source. main: the main function's name. */
bool script_is_source(char *const *patterns, const char *text, size_t n, const char *main);

/* Whether a pattern of a manifest is a valid regular expression. */
bool script_pattern_is_good(const char *pattern);

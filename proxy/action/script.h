#pragma once

/*
 * script - tell whether a text with a #! line is a program or source code.
 *
 * Both reach /init as plain text. A program is started as it is, and reads the lines with the
 * activations itself. Source code only defines the main function, which a launcher calls.
 */

#include <stdbool.h>
#include <stddef.h>

/* The items of a manifest's field "script": extended regular expressions in which {main} stands for
 * the main function's name. */
enum script_pattern {
    SCRIPT_INTERPRETER, /* matches a #! line that names an interpreter of the language */
    SCRIPT_SOURCE,      /* matches text that defines the main function */
    SCRIPT_PROGRAM,     /* matches text that reads lines itself, as only a program does */
    N_SCRIPT_PATTERNS,
};

/*
 * Whether `text`, which begins with #!, is source.
 *
 * patterns  a manifest's "script"; NULL: it has none
 * main      the main function's name
 * in_doubt  the result without patterns, if the interpreter is of another language, or if the text
 *           both defines the main function and reads lines, or neither
 */
bool script_is_source(char *const *patterns, const char *text, size_t n, const char *main,
                      bool in_doubt);

/* Whether a pattern of a manifest is a valid regular expression that takes little memory, that is,
 * with few + and no {n,m}. */
bool script_pattern_is_good(const char *pattern);

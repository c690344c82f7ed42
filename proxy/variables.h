#pragma once

/*
 * variables - read NAME=value from the command line, or from a file with one per line.
 */

struct err;

/* Add a copy of the word NAME=value to a NULL-terminated vector, in place of an older value of NAME
 * if the vector has one. option: the option that the word was given for, such as -e, for error
 * texts. 0, or -1: err says why the word is invalid. */
int variables_add(char ***vector, const char *option, const char *word, struct err *err);

/*
 * Like variables_add(), for each line of a file in the format of `docker run --env-file`. Empty
 * lines, lines that begin with #, and blanks before a name are skipped. Quotes around a value are
 * kept. A line with only a NAME takes its value from our environment, and is skipped if there is
 * none. 0, or -1: err names the file and the line.
 */
int variables_add_file(char ***vector, const char *option, const char *path, struct err *err);

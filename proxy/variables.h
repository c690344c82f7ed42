#pragma once

/*
 * variables - NAME=value from the command line, or from a file with one per line.
 */

struct err;

/* Append the word NAME=value (copied) to a NULL-terminated vector, or replace an older value of
 * NAME. option: the option that the word belongs to, for error texts. 0; -1: err says why the word
 * is invalid. */
int variables_add(char ***vector, const char *option, const char *word, struct err *err);

/*
 * Like variables_add(), for each line of a file in the format of `docker run --env-file`. Empty
 * lines, lines that begin with #, and blanks before a name are skipped. Quotes around a value are
 * kept. A NAME without a value gets its value from our environment, if it has one there. 0; -1: err
 * names the file and the line.
 */
int variables_add_file(char ***vector, const char *option, const char *path, struct err *err);

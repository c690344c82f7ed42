#pragma once

/*
 * variables - NAME=value as a user gives it: in a word of the command line, or in a file with one
 * on each line.
 */

struct err;

/* Append a word (copied) to a NULL-terminated vector, or replace an older one of that name. option:
 * its name, for texts. 0; -1: err says that it is none. */
int variables_add(char ***vector, const char *option, const char *word, struct err *err);

/*
 * The same with each line of a file. Lines are taken as `docker run --env-file` takes them: empty
 * ones and those that begin with # are left out, blanks before the name too, values are not
 * unquoted, and a NAME alone has the value that it has in our own environment, if any.
 * 0; -1: err names the file and the line.
 */
int variables_add_file(char ***vector, const char *option, const char *path, struct err *err);

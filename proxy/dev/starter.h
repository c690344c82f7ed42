#pragma once

/*
 * starter - the command new: write a folder with a first function, an example of its argument, the
 * answer that it must give, and a README. All files but the README are copied from the folder
 * runtime/NAME/starter/ of the language.
 */

struct err;
struct runtimes;

/* language: a name of a runtime, such as "nodejs" or "javascript", or the ending of its source
 * files, such as "js". Tells on stdout which files were made. Returns 0; -1 with err, for example
 * if the folder has files already. */
int starter_write(const struct runtimes *runtimes, const char *language, const char *folder,
                  struct err *err);

#pragma once

/*
 * starter - the command new: write a folder with a function to begin with, an example of its
 * argument, the answer that it must give, and a README. All but the README are copied from the
 * language's runtime/NAME/starter/.
 */

struct err;
struct runtimes;

/* language: the name of a runtime, or an ending of its sources ("js"). Tells on stdout what it
 * made. 0; -1: there is no such language, or there are files in the folder already. */
int starter_write(const struct runtimes *runtimes, const char *language, const char *folder,
                  struct err *err);

#pragma once

/*
 * advice - what to do about code that does not load because something that lies beside it is not
 * used: a module beside a file that runs alone, or a requirements.txt. And about a folder that runs
 * here, but that nobody can publish.
 */

struct runtime;
struct runtimes;

/* path: the file or folder that the user named. reason: what the code said when it failed to load.
 * One line of advice, which the caller frees; NULL: there is none. */
char *advice_on_load(const char *path, const char *reason, const struct runtimes *runtimes,
                     const struct runtime *fallback);
/* path: what the user named; if that is a folder, its only file is called `file` and was taken for
 * the action. An archive of the folder has no such rule. One line, which the caller frees; NULL: it
 * is no folder, or can be published. */
char *advice_on_name(const char *path, const char *file, const struct runtimes *runtimes,
                     const struct runtime *fallback);

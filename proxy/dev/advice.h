#pragma once

/*
 * advice - one line that tells the user what to do in these cases:
 * - The user named a file, which runs alone, but the code needs a module that lies beside the file.
 * - The code needs modules that are listed in requirements.txt but are not installed.
 * - The user named a folder. The folder runs here, but POST /init would refuse an archive of it,
 *   because its main file has another name than an archive needs.
 */

struct runtime;
struct runtimes;

/* path: the file or folder that the user named. reason: what the code said when it failed to load.
 * Returns one line of advice, which the caller frees; NULL: there is none. */
char *advice_on_load(const char *path, const char *reason, const struct runtimes *runtimes,
                     const struct runtime *fallback);
/* Advise to rename `file`, the only source file in the folder `path`. Here, that file runs as the
 * action whatever its name, but in an archive for POST /init it needs a certain name. path: the
 * file or folder that the user named. Returns one line, which the caller frees. NULL: path is a
 * file, or `file` need not be renamed. */
char *advice_on_name(const char *path, const char *file, const struct runtimes *runtimes,
                     const struct runtime *fallback);

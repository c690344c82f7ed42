#pragma once

/*
 * advice - one line that tells the user what to do in these cases:
 * - The user named a file, which runs alone, but the code needs a module that lies beside the file.
 * - The code needs modules that are listed in requirements.txt but are not installed.
 * - The user named a folder, which runs here, but an /init would refuse an archive of the folder.
 */

struct runtime;
struct runtimes;

/* path: the file or folder that the user named. reason: what the code said when it failed to load.
 * One line of advice, which the caller frees; NULL: there is none. */
char *advice_on_load(const char *path, const char *reason, const struct runtimes *runtimes,
                     const struct runtime *fallback);
/* path: the file or folder that the user named. file: the only source file in that folder, which
 * runs as the action whatever its name. In an archive for an /init it needs a certain name: advise
 * to rename it. The caller frees the line. NULL: path is a file, or `file` need not be renamed. */
char *advice_on_name(const char *path, const char *file, const struct runtimes *runtimes,
                     const struct runtime *fallback);

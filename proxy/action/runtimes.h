#pragma once

/*
 * runtimes - read the manifests runtime/NAME/runtime.json, one for each language, and choose a
 * runtime for an action's code.
 */

#include <stdbool.h>
#include <stddef.h>

#include "action/envelope.h"
#include "action/manifest.h"
#include "base/exec_spec.h"

struct err;

#define RUNTIME_NATIVE "native" /* name of the runtime for programs */

struct runtimes {
    struct runtime *items; /* owned */
    size_t n;
};

/* Read every DIR/NAME/runtime.json. 0, or -1: ERR_SYSTEM (no such folder) or ERR_REQUEST (a
 * manifest is wrong; err names file and field). An unknown field is an error, because it may be
 * misspelt. */
int runtimes_load(struct runtimes *runtimes, const char *dir, struct err *err);
void runtimes_done(struct runtimes *runtimes);
/* Add a runtime, taking over its members. Earlier pointers into `runtimes` become invalid. */
void runtimes_add(struct runtimes *runtimes, const struct runtime *runtime);
/* Set the value of {libexec} for all runtimes: the folder of the launchers built with the proxy. */
void runtimes_set_libexec(struct runtimes *runtimes, const char *dir);
/* The runtime of that name. NULL: there is none. */
const struct runtime *runtimes_find(const struct runtimes *runtimes, const char *name);

/* The file name under which source text is stored. If the runtime has an entry file named like its
 * `source` (index.js), but with the ending of `file` (index.mjs), that is the name. Otherwise it is
 * `source`. file: the user's name for the source file; NULL: unknown. */
const char *runtime_source_name(const struct runtime *runtime, const char *file);
/* The runtime that takes code of this kind as a single file. `fallback` takes source. It also
 * takes programs (ELF, foreign, #! scripts) if takes_programs is set; otherwise native takes them.
 * NULL: the code is an archive, which must be unpacked, or no runtime takes it. fallback may be
 * NULL. */
const struct runtime *runtimes_for_kind(const struct runtimes *runtimes,
                                        const struct runtime *fallback, enum code_kind kind);

/* Whether the file name in `path` ends like a source file of the runtime, such as .py. */
bool runtime_has_ending_of(const struct runtime *runtime, const char *path);
/* The runtime for the source file at `path`, by the ending of the file name. It is `fallback` if
 * `fallback` uses this ending or builds everything, or if the name has no ending. Otherwise it is
 * the first runtime that uses the ending and is not `only_named`. NULL: none; err is ERR_REQUEST
 * and lists known endings, or ERR_CODE if the name is that of an archive. */
const struct runtime *runtimes_for_source(const struct runtimes *runtimes,
                                          const struct runtime *fallback, const char *path,
                                          struct err *err);

/*
 * Whether a text that begins with #! is source. It is if it defines the main function and reads no
 * lines itself (script.h). In doubt it is if its name has the ending of `fallback`.
 *
 * path  the file's name; NULL, or without an ending: the text is looked at for `fallback`
 * main  the main function's name
 */
bool runtimes_script_is_source(const struct runtimes *runtimes, const struct runtime *fallback,
                               const char *path, const char *text, size_t n, const char *main);

/* Whether an open file begins as programs do: as ELF, or with #!. False if fd is -1. */
bool runtimes_is_program(int fd);

/* Whether this runtime compiles every action, no matter which files the action contains. */
bool runtime_always_compiles(const struct runtime *runtime);
/* Whether this runtime compiles the action in `dir`: always, or if the manifest's fields
 * "compile_if" and "compile_unless" say so. */
bool runtime_compiles(const struct runtime *runtime, const char *dir);

/* Append a text that says which files an action's folder may hold: "__main__.py (python) or an
 * executable exec (native)". */
void runtimes_add_entries(const struct runtimes *runtimes, const struct runtime *fallback,
                          struct buf *out);
/*
 * The runtime for an unpacked archive in `dir`: the first that finds one of its entry files there.
 * The order is: native (an executable `exec`), `fallback`, then the others in order of name, except
 * those that are `only_named`. A fallback that takes programs comes before native. An entry file
 * that must be executable also counts if it begins with ELF or #!, because many zips carry no
 * modes; it then gets mode 0755.
 *
 * fallback  one of `runtimes`, or NULL
 * Returns   NULL: err is ERR_SYSTEM, or ERR_CODE with a text that names the files: "Zip file does
 *           not include __main__.py (python) or an executable exec (native)". If such a file lies
 *           in a subfolder, or exec is no program, the text says so
 */
const struct runtime *runtimes_for_folder(const struct runtimes *runtimes,
                                          const struct runtime *fallback, const char *dir,
                                          struct err *err);

/*
 * Fill a zeroed exec spec for the action in folder `dir`: argv from runtime->launch, cwd = dir, env
 * = base_env (the proxy's environment, NAME=value) overlaid with init_env; both are copied. Asks
 * the launcher for a ready line (__OW_WAIT_FOR_ACK=1), but leaves that to base_env if
 * runtime->answers is "auto".
 */
void runtime_exec_spec(const struct runtime *runtime, const char *dir, const char *main,
                       char *const *base_env, char *const *init_env, struct exec_spec *spec);

/* Fill a zeroed exec spec for a launcher that is started before its action is known. false: this
 * runtime has no such launcher. forks: the launcher may be asked to fork workers, which needs a
 * socket as descriptor 0. */
bool runtime_prewarm(const struct runtime *runtime, bool forks, char *const *base_env,
                     struct exec_spec *spec);

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

struct runtimes {
    struct runtime *items; /* owned */
    size_t n;
};

/* Read every DIR/NAME/runtime.json. 0, or -1: ERR_SYSTEM (no such folder), ERR_REQUEST (a manifest
 * is wrong; the text names file and field). An unknown field is an error, as it may be misspelt. */
int runtimes_load(struct runtimes *runtimes, const char *dir, struct err *err);
void runtimes_done(struct runtimes *runtimes);
/* Add a runtime and take over its members. Pointers to runtimes added before become invalid. */
void runtimes_add(struct runtimes *runtimes, const struct runtime *runtime);
/* Set the value of {libexec}: the folder of the launchers built with the proxy. */
void runtimes_set_libexec(struct runtimes *runtimes, const char *dir);
/* NULL when there is none of that name. */
const struct runtime *runtimes_find(const struct runtimes *runtimes, const char *name);

/* The file name under which source text is staged: the runtime's `source` (index.js), or its entry
 * file that differs from it only by having the ending of `file` (index.mjs). file: the user's name;
 * NULL: unknown. */
const char *runtime_source_name(const struct runtime *runtime, const char *file);
/* The file name under which code of this kind is staged. *runtime is set to the runtime that takes
 * the code: `fallback` for source; for ELF and scripts native, or a `fallback` that takes programs.
 * Both are NULL for an archive to be unpacked, and for code that no runtime takes. fallback may be
 * NULL. */
const char *runtimes_file_name(const struct runtimes *runtimes, const struct runtime *fallback,
                               enum code_kind kind, const struct runtime **runtime);

/* Whether a file name has one of the runtime's source endings. */
bool runtime_has_ending_of(const struct runtime *runtime, const char *path);
/* The runtime for a source file, by the ending of its name: the fallback if it uses this ending or
 * builds everything, or if the name has no ending; else another that uses the ending and is not
 * `only_named`. NULL: none; err is ERR_REQUEST and lists the known endings. */
const struct runtime *runtimes_for_source(const struct runtimes *runtimes,
                                          const struct runtime *fallback, const char *path,
                                          struct err *err);

/* Whether every action of this runtime is compiled, whatever it holds. */
bool runtime_always_compiles(const struct runtime *runtime);
/* Whether this runtime compiles the action in `dir`: always, or if "compile_if" and
 * "compile_unless" say so. */
bool runtime_compiles(const struct runtime *runtime, const char *dir);

/* Append what a folder must have to be an action: "__main__.py (python) or an executable exec
 * (native)". */
void runtimes_add_entries(const struct runtimes *runtimes, const struct runtime *fallback,
                          struct buf *out);
/* The runtime for an unpacked archive in `dir`, the first of these that finds one of its entry
 * files: native (an executable `exec`), `fallback`, the others by name, unless `only_named`. A
 * fallback that takes programs comes before native. NULL: err is ERR_SYSTEM, or ERR_CODE and names
 * what was looked for: "Zip file does not include __main__.py (python) or an executable exec
 * (native)". An entry file that must be executable also counts when it begins with ELF or #!, since
 * many zips carry no modes; it then gets mode 0755. fallback: one of `runtimes`, or NULL. */
const struct runtime *runtimes_for_folder(const struct runtimes *runtimes,
                                          const struct runtime *fallback, const char *dir,
                                          struct err *err);

/*
 * Fill a zeroed exec spec for the action in folder `dir`: argv from the template, cwd = dir, env =
 * base_env (the proxy's environment, NAME=value) overlaid with init_env; both borrowed. Asks the
 * launcher for a ready line (__OW_WAIT_FOR_ACK=1), but leaves that to base_env if runtime->answers
 * is "auto".
 */
void runtime_exec_spec(const struct runtime *runtime, const char *dir, const char *main,
                       char *const *base_env, char *const *init_env, struct exec_spec *spec);

/* Fill a zeroed exec spec for a launcher that waits for its action. false: this runtime has none.
 * forks: the launcher may be asked to fork workers, which needs a socket as descriptor 0. */
bool runtime_prewarm(const struct runtime *runtime, bool forks, char *const *base_env,
                     struct exec_spec *spec);

#pragma once

/*
 * runtimes - what is special about a language: the manifests runtime/NAME/runtime.json, and the
 * choice of one of them for an action's code.
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
 * is wrong: names file and field). An unknown field is an error: it is a misspelt one. */
int runtimes_load(struct runtimes *runtimes, const char *dir, struct err *err);
void runtimes_done(struct runtimes *runtimes);
/* Add one that no manifest describes; its members are taken over. Pointers to the others are void
 * afterwards. */
void runtimes_add(struct runtimes *runtimes, const struct runtime *runtime);
/* Where {libexec} leads: the folder of launchers that are built with the proxy. */
void runtimes_set_libexec(struct runtimes *runtimes, const char *dir);
/* NULL when there is none of that name. */
const struct runtime *runtimes_find(const struct runtimes *runtimes, const char *name);

/* The name under which a source file is stored: `source`, or the entry that is spelt the same and
 * ends as the file does (index.mjs). file: NULL when nobody knows it. */
const char *runtime_source_name(const struct runtime *runtime, const char *file);
/* The file name under which code of this kind is staged; *runtime is the one that takes it (native
 * for ELF and scripts, or a `fallback` that takes programs; `fallback` for source). Both NULL: an
 * archive (unpack it), or code that no runtime takes. fallback may be NULL. */
const char *runtimes_file_name(const struct runtimes *runtimes, const struct runtime *fallback,
                               enum code_kind kind, const struct runtime **runtime);

/* Whether a file's name ends as the runtime's sources do. */
bool runtime_has_ending_of(const struct runtime *runtime, const char *path);
/* What a file of source text is by the ending of its name: the fallback's if that has sources of
 * this ending, or the name has none; else theirs who have, less those that are only used when
 * named. NULL: nobody's; err is ERR_REQUEST and lists the endings that there are. */
const struct runtime *runtimes_for_source(const struct runtimes *runtimes,
                                          const struct runtime *fallback, const char *path,
                                          struct err *err);

/* Which runtime an unpacked archive in `dir` is for: native by an executable `exec` first, then
 * `fallback` (the other way round when that takes programs), then the others by name, less those
 * that are only used when named. NULL: err is ERR_CODE and names what was looked for:
 * "Zip file does not include __main__.py (python) or an executable exec (native)".
 * An entry that must be executable also counts when it starts as ELF or #! does, since many zips
 * carry no modes; it gets mode 0755 then. fallback: one of `runtimes`, or NULL. */
const struct runtime *runtimes_for_folder(const struct runtimes *runtimes,
                                          const struct runtime *fallback, const char *dir,
                                          struct err *err);

/*
 * Fill a zeroed exec spec for the action in folder `dir`: argv from the template, cwd = dir, env =
 * base_env (the proxy's own environment, NAME=value) overlaid with init_env; both borrowed. A
 * ready line is asked for (__OW_WAIT_FOR_ACK=1) unless answers are "auto", whose base_env asks.
 */
void runtime_exec_spec(const struct runtime *runtime, const char *dir, const char *main,
                       char *const *base_env, char *const *init_env, struct exec_spec *spec);

/* Fill a zeroed exec spec for a launcher that waits for its action. false: this runtime has none.
 * forks: it may be asked to make workers by fork, for which it needs a socket as descriptor 0. */
bool runtime_prewarm(const struct runtime *runtime, bool forks, char *const *base_env,
                     struct exec_spec *spec);

#pragma once

/*
 * manifest - parse a runtime.json and expand the placeholders in its commands.
 */

#include <stdbool.h>

#include "base/exec_spec.h"

struct err;

/* One validated manifest. All pointers are owned. */
struct runtime {
    char *name;
    char *dir; /* absolute path of the manifest's folder */
    /* files that show that an archive is for this runtime; "*.x": any name that ends in .x */
    char **entry;
    char *source;     /* file name for plain source text; NULL: source is refused */
    char **launch;    /* argv with the placeholders {runtime} {libexec} {action} {main} {entry} */
    char **prelaunch; /* argv to start a launcher before its action is known; NULL: none */
    char **compile;   /* argv of a compiler, with placeholders; NULL: the code needs none */
    char *compile_if; /* an archive is compiled only if it has this file; NULL: always */
    /* an archive with this file or folder is not compiled; NULL: no such exception */
    char *compile_unless;
    char **in_place_env; /* NAME=value for actions run in the user's own folder; NULL: none */
    char **script;       /* regexes that tell #! source from #! programs (script.h); NULL: none */
    char *init_reply;    /* body of the reply to a successful /init; NULL: {"ok":true} */
    char *shortfall; /* field "needs": what to install if launch[0] is missing; NULL: not stated */
    char *stub;      /* folder in `dir` with the default action; NULL: none */
    char *no_entry;  /* first words of the error for an archive without an entry file; NULL: none */
    char *libexec;   /* folder of the compiled launchers; NULL: unknown */
    enum answers answers;  /* where answers are read: "stdout", "fd3" or "auto" (default) */
    bool reports_ready;    /* field "ready": the launcher reports when it is ready */
    bool forks;            /* field "forks": a launcher started by `prelaunch` can fork workers */
    bool logs_init_error;  /* field "log_init_error": the reason of a failed /init is only logged */
    bool entry_executable; /* field "entry_executable": the entry file must be executable */
    bool builds_all; /* compiles all that is no program (OW_COMPILER); no manifest can set this */
    /* field "programs": if this runtime is the default, it takes executables instead of "native" */
    bool takes_programs;
    bool only_named; /* field "only_named": use this runtime only if it is the default */
    /* field "any_archive": if this runtime is the default, it takes archives in which no runtime
     * finds an entry file */
    bool any_archive;
    bool shares_ring;  /* field "ring": descriptor 4 is shared memory for answers, base/ring.h */
    bool wants_object; /* field "wants_object": an argument must be an object, array or null */
};

enum placeholder {
    PLACEHOLDER_RUNTIME,
    PLACEHOLDER_LIBEXEC,
    PLACEHOLDER_ACTION,
    PLACEHOLDER_MAIN,
    PLACEHOLDER_ENTRY,
    N_PLACEHOLDERS, /* also stands for an unknown placeholder */
};

/* Read the manifest at `path` into a runtime whose `dir` is set. 0, or -1: ERR_SYSTEM (cannot read
 * it) or ERR_REQUEST (err names file and field). Release with manifest_done() in all cases: a
 * failed call may leave a half-filled runtime. */
int manifest_read(const char *path, struct runtime *runtime, struct err *err);
/* Frees all members and leaves zeroes. */
void manifest_done(struct runtime *runtime);

/* Replace the placeholders in `text`, one argument of a command, by their values. Caller frees. */
char *manifest_expand(const char *text, const char *const values[N_PLACEHOLDERS]);

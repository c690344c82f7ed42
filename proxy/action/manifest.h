#pragma once

/*
 * manifest - parse a runtime.json and expand the placeholders in its commands.
 */

#include <stdbool.h>

#include "base/exec_spec.h"

struct err;

/* One validated manifest. All pointers owned. */
struct runtime {
    char *name;
    char *dir; /* absolute path of the manifest's folder */
    /* files that show that an archive is for this runtime; "*.x": any name that ends in .x */
    char **entry;
    char *source;     /* file name for plain source text; NULL: source is refused */
    char **launch;    /* argv template: {runtime} {libexec} {action} {main} {entry} */
    char **prelaunch; /* argv of a launcher started before its action is known; NULL: none */
    char **compile;   /* argv template of a compiler; NULL: the code is run as it is */
    char *compile_if; /* an archive is compiled only if it has this file; NULL: always */
    /* an archive with this file or folder is not compiled; NULL: no such exception */
    char *compile_unless;
    char **in_place_env; /* NAME=value for actions served in the user's own folder; NULL: none */
    char **script;       /* patterns for source with a #! line, action/script.h; NULL: none */
    char *init_reply;    /* reply to a successful /init; NULL: {"ok":true} */
    char *shortfall;     /* "needs": what to install when launch[0] is missing; NULL: nothing */
    char *stub;          /* folder in `dir` with the default action; NULL: none */
    char *no_entry; /* first words of the error for an archive without an entry file; NULL: none */
    char *libexec;  /* folder of the compiled launchers; NULL: unknown */
    enum answers answers;  /* "stdout", "fd3" or "auto" (default) */
    bool reports_ready;    /* "ready": the launcher reports when it is ready */
    bool forks;            /* "forks": the prewarmed launcher can fork workers */
    bool logs_init_error;  /* "log_init_error": errors of /init are logged */
    bool entry_executable; /* "entry_executable": the entry file must be executable */
    bool builds_all;       /* compiles every folder without a program; never set by a manifest */
    /* "programs": when it is the fallback, it takes executables in place of "native" */
    bool takes_programs;
    bool only_named; /* "only_named": used only when it is the fallback */
    /* "any_archive": when it is the fallback, it takes archives without a known entry file */
    bool any_archive;
    bool shares_ring;  /* "ring": descriptor 4 is shared memory for answers, base/ring.h */
    bool wants_object; /* "wants_object": an argument that is no JSON object is refused at once */
};

enum placeholder {
    PLACEHOLDER_RUNTIME,
    PLACEHOLDER_LIBEXEC,
    PLACEHOLDER_ACTION,
    PLACEHOLDER_MAIN,
    PLACEHOLDER_ENTRY,
    N_PLACEHOLDERS, /* also stands for an unknown placeholder */
};

/* Fill a runtime whose `dir` is set. 0, or -1: ERR_SYSTEM (cannot read), ERR_REQUEST (err names
 * file and field); the runtime may be half-filled then, so call manifest_done() in any case. */
int manifest_read(const char *path, struct runtime *runtime, struct err *err);
/* Frees all members and leaves zeroes. */
void manifest_done(struct runtime *runtime);

/* Expand the placeholders of one argument; caller frees. */
char *manifest_expand(const char *text, const char *const values[N_PLACEHOLDERS]);

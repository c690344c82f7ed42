#pragma once

/*
 * manifest - a runtime.json: what it may say, and the placeholders in its commands.
 */

#include <stdbool.h>

#include "base/exec_spec.h"

struct err;

/* One manifest, checked. All pointers owned. */
struct runtime {
    char *name;
    char *dir;             /* absolute folder of the manifest */
    char **entry;          /* file names that mark an unpacked archive as this runtime's; "*.x": any
                              that ends in .x, and {entry} is that text then */
    char *source;          /* name under which plain source text is stored; NULL: takes none */
    char **launch;         /* argv template: {runtime} {libexec} {action} {main} {entry} */
    char **prelaunch;      /* argv of a launcher that waits for its action; NULL: it cannot */
    char **compile;        /* argv template of a compiler; NULL: the code is run as it is */
    char **in_place_env;   /* NAME=value where the action's folder is the user's own; NULL: none */
    char *init_reply;      /* JSON that tells a client of a good /init; NULL: {"ok":true} */
    char *shortfall;       /* "needs": what to install when launch[0] is missing; NULL: nothing */
    char *stub;            /* folder in `dir` of what runs until there is code; NULL: nothing */
    char *no_entry;        /* what an archive without an entry is told first; NULL: nothing */
    char *libexec;         /* folder of the launchers that are compiled; NULL: unknown */
    enum answers answers;  /* "stdout", "fd3" or "auto" (default) */
    bool reports_ready;    /* "ready" */
    bool forks;            /* "forks": the one that waits can make workers by fork */
    bool logs_init_error;  /* "log_init_error" */
    bool entry_executable; /* "entry_executable": the entry must carry an execute bit */
    bool builds_all;       /* every folder without a program is for it to compile; in no manifest */
    bool takes_programs;   /* "programs": as fallback it takes what is native's otherwise */
    bool only_named;       /* "only_named": used as fallback or not at all */
    bool any_archive; /* "any_archive": as fallback it takes archives that nobody has an entry in */
    bool shares_ring; /* "ring": descriptor 4 is memory for answers, base/ring.h */
    bool wants_object; /* "wants_object": another argument is refused before it runs */
};

enum placeholder {
    PLACEHOLDER_RUNTIME,
    PLACEHOLDER_LIBEXEC,
    PLACEHOLDER_ACTION,
    PLACEHOLDER_MAIN,
    PLACEHOLDER_ENTRY,
    N_PLACEHOLDERS, /* also: of the form, but unknown */
};

/* Fill a runtime that has its dir. 0, or -1: ERR_SYSTEM (cannot read), ERR_REQUEST (names file and
 * field); half-filled then, so manifest_done() as after success. */
int manifest_read(const char *path, struct runtime *runtime, struct err *err);
/* Frees all members and leaves zeroes. */
void manifest_done(struct runtime *runtime);

/* Replace the placeholders of one argument of a command; the caller frees. */
char *manifest_expand(const char *text, const char *const values[N_PLACEHOLDERS]);

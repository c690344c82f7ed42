#pragma once

/*
 * own_writes - tell the files that the action writes into its own folder from those that a person
 * saves. No system call tells who wrote a file. So a file counts as written by the action if it
 * changed while the action loaded or ran, and is neither a source file nor executable.
 */

#include <stdbool.h>
#include <stdint.h>

struct activations;
struct runtimes;
struct terminal;
struct watch_changes;

#define OWN_WRITES_MAX 3 /* most versions loaded in a row because the action wrote a file */

/* When the action was at work. All times are Unix times. */
struct own_work {
    const char *folder; /* the folder that is watched */
    const struct runtimes *runtimes;
    const struct activations *activations;
    uint64_t load_began_ms;
    uint64_t load_ended_ms; /* UINT64_MAX: the load goes on */
    bool is_ending;         /* processes of an earlier version have not ended yet */
};

/* Must be zeroed before use. */
struct own_writes {
    unsigned n_versions; /* versions loaded in a row because of files that the action wrote */
    char *told; /* owned; changed file that the terminal last reported as ignored; NULL: none */
};

/* Whether the action seems to have written all files that have changed. */
bool own_writes_are_all(const struct own_work *work, const struct watch_changes *changes);
/* Take note of changed files, and say on the terminal if the action seems to have written them all.
 * true: load no new version, because OWN_WRITES_MAX versions in a row were loaded for files that
 * the action wrote. An action that writes into its folder would otherwise be loaded without end. */
bool own_writes_take(struct own_writes *own, const struct own_work *work,
                     const struct watch_changes *changes, struct terminal *terminal);
void own_writes_done(struct own_writes *own);

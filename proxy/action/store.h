#pragma once

/*
 * store - the folder BASE, which holds the versions of an action. The code of version N is staged
 * in BASE/N/src. What can be launched is in BASE/N/bin: the renamed folder BASE/N/src, or what a
 * compiler has built from it. N counts up and is never used twice.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

#define STORE_CLOSE_MS 500 /* time for store_close() to remove BASE; a child removes what is left */

struct store {
    char *base;     /* owned; absolute path of BASE; NULL: there is none */
    char *why_none; /* owned; the reason why there is no BASE; else NULL */
    unsigned last;  /* highest version number found in BASE or made */
    bool temporary; /* BASE is a private folder, which store_close() removes */
    int lock;       /* owned; a file, locked so that no other proxy removes BASE; 0 or -1: none */
    int hold;       /* owned; BASE, locked so that nobody cleans up in it; 0 or -1: none */
    bool made;      /* made by us for --action-dir; store_close() removes it if it is empty */
};

/* Use `dir` as BASE, and make it if it is missing. NULL or "": make a private folder below TMPDIR
 * or /tmp, which store_close() removes; in this case, child processes also remove the private
 * folders of dead proxies. Looks up the highest version number in BASE. 0, or -1: ERR_SYSTEM. */
int store_open(struct store *store, const char *dir, struct err *err);
/* Open a store without a folder: nothing can be staged, and `why` tells the reason. */
void store_none(struct store *store, const struct err *why);
/* Remove a temporary BASE, blocking for STORE_CLOSE_MS at most, and free the store. Accepts a
 * zeroed store. */
void store_close(struct store *store);

/* Make BASE/N/src for the next N. *number: N, set on success only. 0, or -1: ERR_SYSTEM. */
int store_stage(struct store *store, unsigned *number, struct err *err);
/* Rename BASE/N/src, whose code needs no compiler, to BASE/N/bin. 0, or -1: ERR_SYSTEM. */
int store_commit(struct store *store, unsigned number, struct err *err);
/* Make BASE/N/bin for a compiler to fill. BASE/N/src stays, because what is built may refer to
 * files there. 0, or -1: ERR_SYSTEM. */
int store_make_bin(struct store *store, unsigned number, struct err *err);
/* Move all entries of BASE/N/bin into BASE itself, because programs made for Apache's docker
 * skeleton expect their files there. They replace entries of the same name. An old entry that
 * cannot be overwritten, such as a folder with files, is moved to BASE/N/old. 0, or -1: ERR_SYSTEM;
 * some entries may have been moved before the failure. */
int store_settle(struct store *store, unsigned number, struct err *err);
/* Absolute path of BASE/N, BASE/N/src or BASE/N/bin (part: "", "src", "bin"); caller frees. */
char *store_path(const struct store *store, unsigned number, const char *part);

/* An error text, if `os`, the errno of a failed write below `dir`, means that the disk is full, or
 * out of inodes or quota. NULL: it means something else. */
const char *store_full(const char *dir, int os);

/* Delete the folder `dir` (absolute path) and everything in it, however deep. Blocks, so call it in
 * a child process or when the proxy ends. most_ms: give up after so long; 0: never, even while
 * another process keeps filling the folder. Returns 0, or a negative errno value if something is
 * left: -ETIMEDOUT if time ran out. */
int store_remove_tree(const char *dir, uint64_t most_ms);
/* Like store_remove_tree(), but in a child process, whose pid is returned. -1: no process is
 * available, and the folder stays. The loop reaps the child, so the caller need not wait for it. */
pid_t store_remove_in_child(const char *dir);

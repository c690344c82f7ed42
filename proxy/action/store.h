#pragma once

/*
 * store - the folder BASE, which holds the versions of an action. Version N is in BASE/N/src while
 * it is staged, and in BASE/N/bin once one rename has committed it or a compiler has built it. N
 * counts up and is never used twice.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

#define STORE_CLOSE_MS 500 /* at closing: a removal that takes longer continues in a child */

struct store {
    char *base;     /* owned; absolute path of BASE; NULL: there is none */
    char *why_none; /* owned; why there is no BASE, so that nothing can be staged */
    unsigned last;  /* highest version number seen or made */
    bool temporary; /* BASE is a private folder that store_close() removes */
    int lock;  /* owned; file with a lock that keeps others from removing BASE; 0 or -1: none */
    bool made; /* we made BASE, which is not private; store_close() removes it if empty */
};

/* dir: folder to use (made when missing); NULL or "": a private one below TMPDIR or /tmp, removed
 * by store_close(). Private folders of dead proxies are removed, too, by child processes. Scans dir
 * for the highest version number already there. 0, or -1: ERR_SYSTEM. */
int store_open(struct store *store, const char *dir, struct err *err);
/* Open a store without a folder: nothing can be staged, and `why` tells the reason. */
void store_none(struct store *store, const struct err *why);
/* Remove a temporary base, blocking for STORE_CLOSE_MS at most, and free the store. Accepts a
 * zeroed one. */
void store_close(struct store *store);

/* Make BASE/N/src for the next N. *number: N, set on success only. 0, or -1: ERR_SYSTEM. */
int store_stage(struct store *store, unsigned *number, struct err *err);
/* Rename BASE/N/src to BASE/N/bin. 0, or -1: ERR_SYSTEM. */
int store_commit(struct store *store, unsigned number, struct err *err);
/* Make BASE/N/bin for a compiler to fill; BASE/N/src stays: what is built may refer to it. 0, or
 * -1: ERR_SYSTEM. */
int store_make_bin(struct store *store, unsigned number, struct err *err);
/* Move all that is in BASE/N/bin into BASE itself, overwriting what is there: programs for Apache's
 * skeleton expect their files at paths in BASE. What is in the way and cannot be overwritten is
 * kept in BASE/N. 0, or -1: ERR_SYSTEM, perhaps with some files moved. */
int store_settle(struct store *store, unsigned number, struct err *err);
/* Absolute path of BASE/N, BASE/N/src or BASE/N/bin (part: "", "src", "bin"); caller frees. */
char *store_path(const struct store *store, unsigned number, const char *part);

/* The error text if errno `os` of a call in dir means that the disk is full, or out of inodes or
 * quota. NULL: it does not. */
const char *store_full(const char *dir, int os);

/* Delete a folder (absolute path) and all in it, however deep. Blocks: call it in a child process
 * or when the proxy ends. most_ms: longest time; 0: no limit, and no end while another process
 * keeps filling the folder. 0, or a negative errno if something is left: -ETIMEDOUT if time ran
 * out. */
int store_remove_tree(const char *dir, uint64_t most_ms);
/* Like store_remove_tree(), but in a child process, whose pid is returned. -1: no process
 * available, and the folder stays. The loop reaps the child; nobody has to wait. */
pid_t store_remove_in_child(const char *dir);

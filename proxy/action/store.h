#pragma once

/*
 * store - the folder of the versions of an action: BASE/N/src while N is staged, BASE/N/bin once
 * it is committed by one rename, or filled by a compiler. N counts up and is never used twice.
 */

#include <stdbool.h>

struct err;

struct store {
    char *base;     /* owned; absolute */
    unsigned last;  /* highest version number seen or made */
    bool temporary; /* base was made by us and goes with us */
    bool made;      /* base was not there before; it goes with us when it is empty */
};

/* dir: folder to use (made when missing); NULL or "": a private one below TMPDIR or /tmp, removed
 * by store_close(). Scans dir for the highest N already there. 0, or -1: ERR_SYSTEM. */
int store_open(struct store *store, const char *dir, struct err *err);
/* Removes a temporary base (blocking) and frees. Accepts zeroes. */
void store_close(struct store *store);

/* Make BASE/N/src for the next N. *number set on success only. 0, or -1: ERR_SYSTEM. */
int store_stage(struct store *store, unsigned *number, struct err *err);
/* Rename BASE/N/src to BASE/N/bin. 0, or -1: ERR_SYSTEM. */
int store_commit(struct store *store, unsigned number, struct err *err);
/* Make BASE/N/bin for a compiler to fill; BASE/N/src stays: what is built may refer to it. 0, or -1:
 * ERR_SYSTEM. */
int store_make_bin(struct store *store, unsigned number, struct err *err);
/* Absolute path of BASE/N, BASE/N/src or BASE/N/bin (part: "", "src", "bin"); caller frees. */
char *store_path(const struct store *store, unsigned number, const char *part);

/* Delete a folder (absolute path) and all in it, however deep. Blocks: for a child process
 * (action/stage.c) or the end of the proxy. 0, or a negative errno when something stays. */
int store_remove_tree(const char *dir);

#pragma once

/*
 * store - the folder of the versions of an action: BASE/N/src while N is staged, BASE/N/bin once
 * it is committed by one rename, or filled by a compiler. N counts up and is never used twice.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

#define STORE_CLOSE_MS 500 /* removal that takes longer continues in a child */

struct store {
    char *base;     /* owned; absolute; NULL: there is none */
    char *why_none; /* owned; why nothing can be staged */
    unsigned last;  /* highest version number seen or made */
    bool temporary; /* base was made by us and goes with us */
    int lock;       /* owned: lock held for our lifetime, so that others can tell; 0 or -1: none */
    bool made;      /* we created base; it is removed when empty */
};

/* dir: folder to use (made when missing); NULL or "": a private one below TMPDIR or /tmp, removed
 * by store_close(); those of proxies that are dead are removed by a child. Scans dir for the
 * highest N already there. 0, or -1: ERR_SYSTEM. */
int store_open(struct store *store, const char *dir, struct err *err);
/* Open a store without a folder: nothing can be staged. */
void store_none(struct store *store, const struct err *why);
/* Remove a temporary base, blocking for STORE_CLOSE_MS at most, and free. Accepts zeroes. */
void store_close(struct store *store);

/* Make BASE/N/src for the next N. *number set on success only. 0, or -1: ERR_SYSTEM. */
int store_stage(struct store *store, unsigned *number, struct err *err);
/* Rename BASE/N/src to BASE/N/bin. 0, or -1: ERR_SYSTEM. */
int store_commit(struct store *store, unsigned number, struct err *err);
/* Make BASE/N/bin for a compiler to fill; BASE/N/src stays: what is built may refer to it. 0, or
 * -1: ERR_SYSTEM. */
int store_make_bin(struct store *store, unsigned number, struct err *err);
/* Move what is in BASE/N/bin to BASE itself, over what is there: programs of Apache's skeleton name
 * their files by BASE. What is replaced and cannot be overwritten is kept in BASE/N. 0, or -1:
 * ERR_SYSTEM, with some of it moved. */
int store_settle(struct store *store, unsigned number, struct err *err);
/* Absolute path of BASE/N, BASE/N/src or BASE/N/bin (part: "", "src", "bin"); caller frees. */
char *store_path(const struct store *store, unsigned number, const char *part);

/* Why a call in dir failed with errno `os`: the disk is full or out of inodes. NULL: neither. */
const char *store_full(const char *dir, int os);

/* Delete a folder (absolute path) and all in it, however deep. Blocks: call it in a child process
 * or at the end of the proxy. most_ms: longest time; 0: no limit, which may be for ever while a
 * process fills the folder. 0, or a negative errno if something is left, -ETIMEDOUT. */
int store_remove_tree(const char *dir, uint64_t most_ms);
/* Delete it in a child process, whose pid is returned. -1: no process available, and the folder
 * stays. The loop reaps the child; nobody has to wait. */
pid_t store_remove_in_child(const char *dir);

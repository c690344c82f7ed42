#pragma once

/*
 * privileges - what the action's processes may do: less than the proxy.
 *
 * Built once at start; applied in each child before exec. NULL or a zeroed struct leaves a child
 * with the proxy's rights.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

enum privileges_limit {
    LIMIT_AS,     /* bytes of address space of one process */
    LIMIT_NPROC,  /* processes and threads of the user */
    LIMIT_NOFILE, /* descriptors of one process */
    LIMIT_FSIZE,  /* bytes of one file */
    LIMIT_CPU,    /* processor seconds of one process */
    LIMIT_COUNT,
};

struct privileges {
    bool as_user; /* run as uid and gid, which differ from ours */
    uid_t uid;
    gid_t gid;
    char *home;                   /* owned; the user's home from /etc/passwd; NULL: not listed */
    bool no_new_privs;            /* set the kernel's no_new_privs: setuid programs gain nothing */
    uint64_t limits[LIMIT_COUNT]; /* 0: the proxy's own limit */
    uint64_t descriptors;         /* soft descriptor limit if LIMIT_NOFILE is not set; 0: as ours */
};

/*
 * Take the user from "USER[:GROUP]", each a number or a name in etc/passwd, etc/group. Without
 * GROUP, the group is the user's own; for a user who is not listed, the group of the same number,
 * so never root's by accident. 0, or -1: ERR_REQUEST, also if we lack the rights to run processes
 * as that user.
 */
int privileges_set_user(struct privileges *privileges, const char *text, const char *etc,
                        struct err *err);
/* Only look up uid, gid and home for "USER[:GROUP]". option: named in the text of ERR_REQUEST. */
int privileges_find_user(struct privileges *privileges, const char *option, const char *text,
                         const char *etc, struct err *err);
void privileges_done(struct privileges *privileges);

/*
 * Call both in a child, also of vfork: they only make system calls and write nothing but *os.
 * Return 0, or what failed, for privileges_explain(), with errno in *os. privileges_become() clears
 * the parent-death signal.
 */
int privileges_limit(const struct privileges *privileges, int *os);
int privileges_become(const struct privileges *privileges, int *os);
/* Put what failed into words in err. Returns -1: ERR_SYSTEM. */
int privileges_explain(const struct privileges *privileges, int failed, int os, struct err *err);

/* Until privileges_return(), look up and create files with the user's rights. */
void privileges_borrow(const struct privileges *privileges);
void privileges_return(const struct privileges *privileges);
/* Give an open file, or the entry at path, to the user. 0, or -1 with errno. */
int privileges_give_fd(const struct privileges *privileges, int fd);
int privileges_give(const struct privileges *privileges, const char *path);

/* Whether children run as another user. */
static inline bool privileges_as_user(const struct privileges *privileges)
{
    return privileges != NULL && privileges->as_user;
}

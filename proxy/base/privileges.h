#pragma once

/*
 * privileges - what the action's processes may do: less than the proxy.
 *
 * The struct is filled once at start and applied in each child before exec. NULL or a zeroed struct
 * leaves a child with the proxy's rights.
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
    char *home;        /* owned; home folder in /etc/passwd; NULL: the user is not listed */
    bool no_new_privs; /* set the kernel's no_new_privs: setuid programs gain nothing */
    uint64_t limits[LIMIT_COUNT]; /* by enum privileges_limit; 0: keep the proxy's limit */
    /* Soft limit of descriptors, used if limits[LIMIT_NOFILE] is 0. 0: keep the proxy's. */
    uint64_t descriptors;
};

/*
 * Set the user for children from "USER[:GROUP]". Each is a number, or a name in the file passwd or
 * group of folder `etc`. Without GROUP, the group is the user's own. A user who is not listed gets
 * the group of the same number, so never root's by accident. Returns 0, or -1: ERR_REQUEST, also if
 * we lack the rights to run processes as that user.
 */
int privileges_set_user(struct privileges *privileges, const char *text, const char *etc,
                        struct err *err);
/* Like privileges_set_user(), but only look up uid, gid and home. option: where `text` was given,
 * for the error text, like "--user". */
int privileges_find_user(struct privileges *privileges, const char *option, const char *text,
                         const char *etc, struct err *err);
void privileges_done(struct privileges *privileges);

/*
 * Set the resource limits, and become the user. Call both in a child, also after vfork: they only
 * make system calls and write nothing but *os. Both return 0, or a number for what failed, with
 * errno in *os: see privileges_explain(). After privileges_become() the parent-death signal
 * (PR_SET_PDEATHSIG) is no longer set.
 */
int privileges_limit(const struct privileges *privileges, int *os);
int privileges_become(const struct privileges *privileges, int *os);
/* Say in err what failed in privileges_limit() or privileges_become(). Returns -1: ERR_SYSTEM. */
int privileges_explain(const struct privileges *privileges, int failed, int os, struct err *err);

/* Until privileges_return(), the proxy opens and creates files with the rights of the action's
 * user. */
void privileges_borrow(const struct privileges *privileges);
void privileges_return(const struct privileges *privileges);
/* Make the action's user the owner of an open file, or of the entry at path. 0, or -1 with
 * errno. */
int privileges_give_fd(const struct privileges *privileges, int fd);
int privileges_give(const struct privileges *privileges, const char *path);

/* Whether the action's processes run as another user than the proxy. */
static inline bool privileges_as_user(const struct privileges *privileges)
{
    return privileges != NULL && privileges->as_user;
}

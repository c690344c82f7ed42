/*
 * The C library's setuid() and similar functions change all threads of the process, and use locks.
 * A child of vfork shares our memory, so it must not touch these locks. So this file uses the bare
 * system calls, which change one thread and no memory.
 *
 * Names are looked up in /etc/passwd and /etc/group directly: the C library's own look-up loads
 * modules, which a small image does not have.
 */

#include "base/privileges.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/util.h"

/* 32-bit architectures have newer calls for 32-bit ids, under other names. */
#ifdef SYS_setresuid32
#define SYS_SETRESUID SYS_setresuid32
#define SYS_SETRESGID SYS_setresgid32
#define SYS_SETGROUPS SYS_setgroups32
#else
#define SYS_SETRESUID SYS_setresuid
#define SYS_SETRESGID SYS_setresgid
#define SYS_SETGROUPS SYS_setgroups
#endif

/* What privileges_limit() and privileges_become() return on failure: the number of the limit (enum
 * privileges_limit) plus 1, or one of these. */
enum {
    FAILED_GROUPS = LIMIT_COUNT + 1,
    FAILED_GROUP,
    FAILED_USER,
    FAILED_NO_NEW_PRIVS,
};

static const struct {
    int resource;
    const char *option;
} limits[] = {
    [LIMIT_AS] = {RLIMIT_AS, "--rlimit-as"},
    [LIMIT_NPROC] = {RLIMIT_NPROC, "--rlimit-nproc"},
    [LIMIT_NOFILE] = {RLIMIT_NOFILE, "--rlimit-nofile"},
    [LIMIT_FSIZE] = {RLIMIT_FSIZE, "--rlimit-fsize"},
    [LIMIT_CPU] = {RLIMIT_CPU, "--rlimit-cpu"},
};

static_assert(ARRAY_LEN(limits) == LIMIT_COUNT, "each limit has an option");

/* ---- in the child ---- */

/* Restore the soft limit of descriptors that the proxy was started with, and raised for itself:
 * programs that close or select() all descriptors rely on a low limit. */
static void give_back_descriptors(const struct privileges *privileges)
{
    struct rlimit limit;

    if (privileges->descriptors == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
        limit.rlim_cur <= privileges->descriptors)
        return;
    limit.rlim_cur = privileges->descriptors;
    (void)syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, NULL);
}

int privileges_limit(const struct privileges *privileges, int *os)
{
    for (int i = 0; privileges != NULL && i < LIMIT_COUNT; i++) {
        struct rlimit limit = {privileges->limits[i], privileges->limits[i]};
        struct rlimit ours;

        if (privileges->limits[i] == 0)
            continue;
        /* At the soft limit the process gets SIGXCPU; at the hard one, a second later, it is
         * killed. */
        if (i == LIMIT_CPU && getrlimit(RLIMIT_CPU, &ours) == 0 && limit.rlim_max < ours.rlim_max)
            limit.rlim_max++;
        if (syscall(SYS_prlimit64, 0, limits[i].resource, &limit, NULL) < 0) {
            *os = errno;
            return i + 1;
        }
    }
    if (privileges != NULL && privileges->limits[LIMIT_NOFILE] == 0)
        give_back_descriptors(privileges);
    return 0;
}

int privileges_become(const struct privileges *privileges, int *os)
{
    int failed = 0;

    if (privileges == NULL)
        return 0;
    if (privileges->as_user) {
        uid_t uid = privileges->uid;
        gid_t gid = privileges->gid;

        if (syscall(SYS_SETGROUPS, 0, NULL) < 0)
            failed = FAILED_GROUPS;
        else if (syscall(SYS_SETRESGID, gid, gid, gid) < 0)
            failed = FAILED_GROUP;
        else if (syscall(SYS_SETRESUID, uid, uid, uid) < 0)
            failed = FAILED_USER;
    }
    if (failed == 0 && privileges->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        failed = FAILED_NO_NEW_PRIVS;
    *os = failed != 0 ? errno : *os;
    return failed;
}

int privileges_explain(const struct privileges *privileges, int failed, int os, struct err *err)
{
    assert(failed > 0);
    if (failed <= LIMIT_COUNT) {
        int i = failed - 1;
        struct rlimit ours;

        if (getrlimit((__rlimit_resource_t)limits[i].resource, &ours) == 0 &&
            ours.rlim_max != RLIM_INFINITY)
            return err_set(err, ERR_SYSTEM, os, "cannot set %s=%llu: %s; our own limit is %llu",
                           limits[i].option, (unsigned long long)privileges->limits[i],
                           strerror(os), (unsigned long long)ours.rlim_max);
        return err_set(err, ERR_SYSTEM, os, "cannot set %s=%llu: %s", limits[i].option,
                       (unsigned long long)privileges->limits[i], strerror(os));
    }
    if (failed == FAILED_NO_NEW_PRIVS)
        return err_set(err, ERR_SYSTEM, os, "cannot give up new privileges (--no-new-privs): %s",
                       strerror(os));
    return err_set(err, ERR_SYSTEM, os,
                   "cannot run the action as user %u, group %u (--user): %s: %s",
                   (unsigned)privileges->uid, (unsigned)privileges->gid,
                   failed == FAILED_GROUPS  ? "leaving our groups"
                   : failed == FAILED_GROUP ? "changing the group"
                                            : "changing the user",
                   strerror(os));
}

/* ---- files, in the proxy ---- */

/* Change the group first, as is usual: after setresuid() a process may no longer change its group.
 * After setfsuid() it may, so privileges_return() can use the reverse order. */
void privileges_borrow(const struct privileges *privileges)
{
    if (!privileges_as_user(privileges))
        return;
    (void)setfsgid(privileges->gid);
    (void)setfsuid(privileges->uid);
}

void privileges_return(const struct privileges *privileges)
{
    if (!privileges_as_user(privileges))
        return;
    (void)setfsuid(geteuid());
    (void)setfsgid(getegid());
}

int privileges_give_fd(const struct privileges *privileges, int fd)
{
    return privileges_as_user(privileges) ? fchown(fd, privileges->uid, privileges->gid) : 0;
}

int privileges_give(const struct privileges *privileges, const char *path)
{
    return privileges_as_user(privileges) ? lchown(path, privileges->uid, privileges->gid) : 0;
}

/* ---- the user, at start ---- */

/* Parse a user or group id. The highest number means "none" to the kernel, so it is no id. */
static bool read_id(const char *text, unsigned *id)
{
    unsigned long long number;

    if (text[0] == '\0' || strlen(text) > 10 || text[strspn(text, "0123456789")] != '\0')
        return false;
    number = strtoull(text, NULL, 10);
    *id = (unsigned)number;
    return number < UINT32_MAX;
}

/* Look a user up by name or number, and fill uid, gid and home. false: it is a name, and not
 * listed. */
static bool find_user(struct privileges *privileges, const char *name, const char *etc)
{
    unsigned id;
    bool known = read_id(name, &id);
    auto_file FILE *list = file_open(etc, "passwd");
    const struct passwd *entry = NULL;

    assert(privileges->home == NULL);
    privileges->uid = privileges->gid = known ? id : 0;
    while (list != NULL && (entry = fgetpwent(list)) != NULL)
        if (known ? entry->pw_uid == id : strcmp(entry->pw_name, name) == 0)
            break;
    if (entry != NULL) {
        privileges->uid = entry->pw_uid;
        privileges->gid = entry->pw_gid;
        privileges->home = xstrdup(entry->pw_dir);
    }
    return known || entry != NULL;
}

static bool find_group(struct privileges *privileges, const char *name, const char *etc)
{
    unsigned id;
    bool known = read_id(name, &id);
    auto_file FILE *list = known ? NULL : file_open(etc, "group");
    const struct group *entry = NULL;

    while (list != NULL && (entry = fgetgrent(list)) != NULL)
        if (strcmp(entry->gr_name, name) == 0)
            break;
    if (known || entry != NULL)
        privileges->gid = known ? id : entry->gr_gid;
    return known || entry != NULL;
}

/* Check that we may run processes as another user. 0, or -1: err names the missing capabilities. */
static int check_rights(const char *text, struct err *err)
{
    static const struct {
        unsigned number;
        const char *name;
    } needed[] = {
        {CAP_SETUID, "SETUID"}, {CAP_SETGID, "SETGID"}, {CAP_CHOWN, "CHOWN"}, {CAP_KILL, "KILL"}};
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3] = {{0}};
    char lacking[64] = "";
    size_t n = 0;

    if (geteuid() != 0)
        return err_set(err, ERR_REQUEST, 0,
                       "--user=%s: only a proxy that runs as root can run actions as another user; "
                       "this one runs as user %u",
                       text, (unsigned)geteuid());
    (void)syscall(SYS_capget, &header, have);
    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if ((have[0].effective & 1u << needed[i].number) == 0)
            n += (size_t)snprintf(lacking + n, sizeof(lacking) - n, " %s", needed[i].name);
    assert(n < sizeof(lacking));
    if (lacking[0] == '\0')
        return 0;
    return err_set(err, ERR_REQUEST, 0,
                   "--user=%s: root lacks these capabilities here, which that takes:%s; leave them "
                   "to the container (docker run --cap-add)",
                   text, lacking);
}

int privileges_find_user(struct privileges *privileges, const char *option, const char *text,
                         const char *etc, struct err *err)
{
    auto_free char *user = xstrdup(text);
    char *group = strchr(user, ':');

    if (group != NULL)
        *group++ = '\0';
    if (user[0] == '\0' || (group != NULL && group[0] == '\0'))
        return err_set(err, ERR_REQUEST, 0, "%s=%s: want USER or USER:GROUP, numbers or names",
                       option, text);
    if (!find_user(privileges, user, etc))
        return err_set(err, ERR_REQUEST, 0,
                       "%s=%s: %s/passwd has no user \"%s\"; a number needs no entry there", option,
                       text, etc, user);
    if (group != NULL && !find_group(privileges, group, etc))
        return err_set(err, ERR_REQUEST, 0,
                       "%s=%s: %s/group has no group \"%s\"; a number needs no entry there", option,
                       text, etc, group);
    return 0;
}

int privileges_set_user(struct privileges *privileges, const char *text, const char *etc,
                        struct err *err)
{
    if (privileges_find_user(privileges, "--user", text, etc, err) < 0)
        return -1;
    privileges->no_new_privs = true;
    if (privileges->uid == geteuid() && privileges->gid == getegid())
        return 0; /* the proxy itself runs as this user */
    privileges->as_user = true;
    return check_rights(text, err);
}

void privileges_done(struct privileges *privileges)
{
    free(TAKE(privileges->home));
}

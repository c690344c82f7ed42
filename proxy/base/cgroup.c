/*
 * Two files of /proc/self tell which folder belongs to our control group. `cgroup` names the group.
 * `mountinfo` has the mount point of the tree of all control groups, and the folder of that tree
 * that is mounted there. Inside a container the mounted folder is often our group's own, under the
 * name that it has on the host. Then the mount point itself is our group's folder.
 */

#include "base/cgroup.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

/* Cut the next field off *rest, at a blank. NULL: no field is left, or it is empty. */
static char *cut(char **rest)
{
    char *field = strsep(rest, " ");

    return field != NULL && field[0] != '\0' ? field : NULL;
}

/* Find the name of our control group for `controller`. It is the path in a line of
 * /proc/self/cgroup like "4:memory:/path" (version 1) or, if there is none, "0::/path" (version 2).
 * The caller frees the name. NULL: we are in no such group, and *version is 0. */
static char *find_name(const char *controller, const char *root, int *version)
{
    auto_file FILE *file = file_open(root, "proc/self/cgroup");
    auto_free char *line = NULL;
    char *name = NULL;
    size_t size = 0;

    *version = 0;
    while (file != NULL && *version != 1 && getline(&line, &size, file) > 0) {
        char *rest = line;
        const char *number = strsep(&rest, ":");
        const char *controllers = strsep(&rest, ":");
        int found = 0;

        if (rest == NULL || rest[0] != '/')
            continue;
        if (text_has_word(controllers, ',', controller))
            found = 1;
        else if (strcmp(number, "0") == 0 && controllers[0] == '\0')
            found = 2;
        if (found == 0)
            continue;
        rest[strcspn(rest, "\n")] = '\0';
        free(name);
        name = xstrdup(rest);
        *version = found;
    }
    assert((name != NULL) == (*version != 0));
    return name;
}

struct mount {
    const char *part;  /* the folder of the control group tree that is mounted; "/": all of it */
    const char *point; /* the mount point: a folder of our file system */
};

/* Parse a line of /proc/self/mountinfo, like "32 31 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup
 * rw,memory". false: the line is not about the control groups of `controller`. */
static bool read_mount(char *line, int version, const char *controller, struct mount *mount)
{
    char *rest = line;
    char *behind = strstr(line, " - ");
    const char *type;

    assert(version == 1 || version == 2);
    if (behind == NULL)
        return false;
    *behind = '\0';
    behind += strlen(" - ");
    behind[strcspn(behind, "\n")] = '\0';
    for (int i = 0; i < 3; i++) /* skip the mount's id, its parent's, and the device */
        (void)cut(&rest);
    mount->part = cut(&rest);
    mount->point = cut(&rest);
    if (mount->part == NULL || mount->point == NULL)
        return false;
    type = cut(&behind);
    (void)cut(&behind); /* skip the name of what is mounted: it may be any word */
    if (type == NULL || behind == NULL)
        return false;
    if (version == 2)
        return strcmp(type, "cgroup2") == 0;
    return strcmp(type, "cgroup") == 0 && text_has_word(behind, ',', controller);
}

/* Set group->dir to these three paths, put together. false: it is too long or cannot be entered. */
static bool set_dir(struct cgroup *group, const char *root, const char *point, const char *path)
{
    int n = snprintf(group->dir, sizeof(group->dir), "%s%s%s", root, point, path);

    return n > 0 && (size_t)n < sizeof(group->dir) && access(group->dir, X_OK) == 0;
}

/* Set group->dir to the folder of the group `name` below a mount point, or to the mount point
 * itself if the group has no folder there. false: neither can be entered. */
static bool find_folder(struct cgroup *group, const char *root, const struct mount *mount,
                        const char *name)
{
    size_t n_part = strcmp(mount->part, "/") == 0 ? 0 : strlen(mount->part);

    if (strncmp(name, mount->part, n_part) == 0 && (name[n_part] == '/' || name[n_part] == '\0') &&
        set_dir(group, root, mount->point, name + n_part))
        return true;
    return set_dir(group, root, mount->point, "");
}

void cgroup_find(struct cgroup *group, const char *controller, const char *root)
{
    int version;
    auto_free char *name = find_name(controller, root, &version);
    auto_file FILE *file = name != NULL ? file_open(root, "proc/self/mountinfo") : NULL;
    auto_free char *line = NULL;
    size_t size = 0;

    memset(group, 0, sizeof(*group));
    while (file != NULL && group->version == 0 && getline(&line, &size, file) > 0) {
        struct mount mount;

        if (read_mount(line, version, controller, &mount) && find_folder(group, root, &mount, name))
            group->version = version;
    }
}

bool cgroup_line(const struct cgroup *group, const char *name, char *line, size_t size)
{
    auto_file FILE *file = group->version != 0 ? file_open(group->dir, name) : NULL;

    return file != NULL && fgets(line, (int)size, file) != NULL;
}

bool cgroup_count(const struct cgroup *group, const char *name, const char *key, uint64_t *count)
{
    auto_file FILE *file = group->version != 0 ? file_open(group->dir, name) : NULL;
    size_t n_key = strlen(key);
    bool found = false;
    char line[128];

    while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
        char *end;

        if (strncmp(line, key, n_key) != 0 || line[n_key] != ' ')
            continue;
        errno = 0;
        *count = strtoull(line + n_key + 1, &end, 10);
        found = end != line + n_key + 1 && *end == '\n' && errno == 0;
    }
    return found;
}

/* The container's CPU quota as a number of processors; 0: no limit. */
static double cpu_quota(const char *root)
{
    struct cgroup group;
    char line[64];
    long quota_us = 0;
    long period_us = 0;

    cgroup_find(&group, "cpu", root);
    if (cgroup_line(&group, "cpu.max", line, sizeof(line))) /* cgroup v2; "max 100000": no quota */
        (void)sscanf(line, "%ld %ld", &quota_us, &period_us);
    if (cgroup_line(&group, "cpu.cfs_quota_us", line, sizeof(line))) /* cgroup v1 */
        (void)sscanf(line, "%ld", &quota_us);
    if (cgroup_line(&group, "cpu.cfs_period_us", line, sizeof(line)))
        (void)sscanf(line, "%ld", &period_us);
    return quota_us > 0 && period_us > 0 ? (double)quota_us / (double)period_us : 0;
}

unsigned cgroup_usable_cpus(const char *root)
{
    cpu_set_t set;
    unsigned n = 1;
    double quota = cpu_quota(root);

    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
        n = (unsigned)CPU_COUNT(&set);
    if (quota > 0 && quota < n)
        n = quota < 1 ? 1 : (unsigned)(quota + 0.999);
    assert(n >= 1);
    return n;
}

#pragma once

/* cgroup_fixture - a root of its own with /proc/self and control groups, made of plain files. */

#include "folder.h"

/* Write text to root/path, folders and all. */
static inline void tree_write(const char *root, const char *path, const char *text)
{
    auto_free char *full = xasprintf("%s/%s", root, path);
    char *name = strrchr(full, '/');

    for (char *at = full + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        (void)mkdir(full, 0755);
        *at = '/';
    }
    *name = '\0';
    folder_write(full, name + 1, text, 0644);
}

#define MOUNT_V1(part, controller)                                                                 \
    "35 31 0:32 " part " /sys/fs/cgroup/" controller " rw,relatime - cgroup cgroup rw," controller \
    "\n"
#define MOUNT_V2(part) "31 23 0:28 " part " /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n"

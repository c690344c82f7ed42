#pragma once

/*
 * unpack - put an action's code on disk, inside one folder whatever the archive says.
 *
 * Unpacking blocks, so it runs in a child process only (action/stage.c). Archives are hostile:
 * nothing lands outside the folder (absolute, "..", through links, hard links), links lead inside
 * or to an existing program, no devices, no setuid, bounded entries, bytes and ratio. An error
 * names the entry.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

/* Memory that unpacking may take (RLIMIT_AS, set by the caller), beside what the process has and
 * four times the archive's size, which the directory of a zip may need. */
#define UNPACK_MEMORY_BYTES (64u << 20)

struct unpack_limits {
    uint64_t bytes_max;   /* most bytes of all unpacked files together */
    uint64_t entries_max; /* most files, folders and links */
    unsigned ratio_max; /* most unpacked bytes per archive byte, checked above 1 MiB; 0: no bound */
};

/*
 * Unpack a zip, tar or tar.gz from memory into dir, the absolute path of an empty folder. Changes
 * the working folder and the locale of the process. said: gets a line for each link left out; NULL:
 * not wanted. 0, or -1: ERR_CODE, ERR_LIMIT, ERR_SYSTEM.
 */
int unpack_archive(const char *dir, const void *bytes, size_t n, const struct unpack_limits *limits,
                   struct buf *said, struct err *err);

/* Write one file dir/name (a bare name), mode 0755. 0, or -1: ERR_SYSTEM. */
int unpack_file(const char *dir, const char *name, const void *bytes, size_t n, struct err *err);

/* Whether a zip has an entry of exactly this name ("./name" is another). False also if the bytes
 * are not a zip. */
bool unpack_has(const void *bytes, size_t n, const char *name);

#pragma once

/*
 * unpack - write an action's code to disk, inside one folder whatever the archive says.
 *
 * Unpacking blocks, so it runs in a child process only (action/stage.c). Archives may be hostile:
 * nothing may land outside the folder, by an absolute name, by ".." or through a link. A link may
 * lead only inside, or to an existing program. Devices are refused, and setuid bits are dropped.
 * The numbers of entries and bytes and the compression ratio are bounded. An error names the
 * entry.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

/* The caller of unpack_archive() sets RLIMIT_AS to the sum of three numbers: what the process has
 * already, four times the archive's size (a zip's directory may need it), and this constant. */
#define UNPACK_MEMORY_BYTES (64u << 20)

struct unpack_limits {
    uint64_t bytes_max;   /* most bytes of all unpacked files together */
    uint64_t entries_max; /* most files, folders and links */
    unsigned ratio_max;   /* most unpacked per archive byte, once 1 MiB is unpacked; 0: no bound */
};

/*
 * Unpack a zip, tar or tar.gz in memory into `dir`, the absolute path of an empty folder. Changes
 * the working folder and the locale of the process. said: gets a line for each link that is not
 * unpacked; NULL: no lines are wanted. 0, or -1: ERR_CODE, ERR_LIMIT or ERR_SYSTEM.
 */
int unpack_archive(const char *dir, const void *bytes, size_t n, const struct unpack_limits *limits,
                   struct buf *said, struct err *err);

/* Write the file dir/name with mode 0755; `name` is a bare name. 0, or -1: ERR_SYSTEM. */
int unpack_file(const char *dir, const char *name, const void *bytes, size_t n, struct err *err);

/* Whether a zip has an entry of exactly this name ("./name" differs from "name"). False also if the
 * bytes are no zip. */
bool unpack_has(const void *bytes, size_t n, const char *name);

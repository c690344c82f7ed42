#pragma once

/*
 * entry - tell where the names of entries in an archive lead, without access to a disk.
 */

#include <stdbool.h>
#include <stddef.h>

/* Normalise "a/./b/../c" to "a/c"; "." is the folder itself. NULL: the name is empty or leads out
 * of the folder to unpack into. Caller frees. */
char *entry_inside(const char *name);
/*
 * Whether a symbolic link `name` to `target` stays inside the folder to unpack into. A ".." in the
 * target is relative to the link's own folder and may only come first: after a name it would go up
 * from wherever that name leads, which may be a link itself.
 */
bool entry_link_is_inside(const char *name, const char *target);
/* The target of a link that leads outside, as a path from the folder to unpack into. NULL: it leads
 * inside, or only the disk could tell, as ".." follows a name. Caller frees. */
char *entry_link_outside(const char *name, const char *target);
/* Whether entry `name` is `folder` or lies in it. Both normalised by entry_inside(). */
bool entry_is_below(const char *name, const char *folder);
/* Whether this is a complete zip that has no entries. */
bool entry_zip_is_empty(const void *zip, size_t n);
/* The name in a local header of a zip, byte for byte. at: offset of the header. NULL: there is no
 * header, the name contains a NUL, or an extra field repeats it in UTF-8. Caller frees. */
char *entry_zip_name(const void *zip, size_t n, size_t at);

#pragma once

/*
 * entry - names in archives: where they lead, without looking at a disk.
 */

#include <stdbool.h>
#include <stddef.h>

/* Make "a/./b/../c" "a/c"; "." for the folder itself. NULL: it leads to the outside. Caller
 * frees. */
char *entry_inside(const char *name);
/*
 * Whether a symbolic link `name` leads to the inside. ".." counts from the link's own folder and
 * may only stand in front: behind a name it goes up from wherever that name leads, which may be a
 * link.
 */
bool entry_link_is_inside(const char *name, const char *target);
/* Where a link to the outside leads, seen from the folder that is unpacked into. NULL: only a look
 * at the disk could tell, as ".." stands behind a name. Caller frees. */
char *entry_link_outside(const char *name, const char *target);
/* Whether an entry `name` is `folder`, or lies in it. Both as entry_inside() made them. */
bool entry_is_below(const char *name, const char *folder);
/* Whether a zip is whole and holds nothing. */
bool entry_zip_is_empty(const void *zip, size_t n);
/* The name in the local header of a zip, byte for byte. at: where the header is. NULL: there is
 * none, or it holds a NUL. Caller frees. */
char *entry_zip_name(const void *zip, size_t n, size_t at);

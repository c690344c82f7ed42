#pragma once

/*
 * entry - names in archives and where they lead, without access to a disk.
 */

#include <stdbool.h>
#include <stddef.h>

/* Normalise "a/./b/../c" to "a/c"; "." for the folder itself. NULL: it leads outside. Caller
 * frees. */
char *entry_inside(const char *name);
/*
 * Whether a symbolic link `name` stays inside. ".." counts from the link's own folder and may only
 * come first: after a name it would go up from wherever that name, perhaps a link, leads.
 */
bool entry_link_is_inside(const char *name, const char *target);
/* The target of a link that leads outside, relative to the target folder of the archive. NULL: only
 * the disk could tell, as ".." follows a name. Caller frees. */
char *entry_link_outside(const char *name, const char *target);
/* Whether entry `name` is `folder` or lies in it. Both normalised by entry_inside(). */
bool entry_is_below(const char *name, const char *folder);
/* Whether a zip is complete and has no entries. */
bool entry_zip_is_empty(const void *zip, size_t n);
/* The name in the local header of a zip, byte for byte. at: offset of the header. NULL: there is
 * none, or it contains a NUL. Caller frees. */
char *entry_zip_name(const void *zip, size_t n, size_t at);

#pragma once

/*
 * entry - tell from the names of an archive's entries where files would land and links would lead,
 * without looking at the disk.
 */

#include <stdbool.h>
#include <stddef.h>

/* Normalise an entry's name: "a/./b/../c" becomes "a/c", and "." is the folder to unpack into.
 * NULL: the name is empty or leads out of that folder. Caller frees. */
char *entry_inside(const char *name);
/*
 * Whether the symbolic link `name` with this target leads inside the folder to unpack into. False
 * also if a ".." follows a name in the target: the name may be a link itself, and ".." goes up from
 * wherever that link leads.
 */
bool entry_link_is_inside(const char *name, const char *target);
/* If the link leads outside: its target, absolute or relative to the folder to unpack into. NULL:
 * the link leads inside, or only the disk could tell, because ".." follows a name that may itself
 * be a link. Caller frees. */
char *entry_link_outside(const char *name, const char *target);
/* Whether entry `name` is `folder` or lies in it. Both names: as entry_inside() returns them. */
bool entry_is_below(const char *name, const char *folder);
/* Whether the n bytes are a zip without entries. */
bool entry_zip_is_empty(const void *zip, size_t n);
/* Whether a zip was made on DOS or Windows, by what its first entry says. */
bool entry_zip_is_dos(const void *zip, size_t n);
/* The name in a local header of a zip, byte for byte. at: offset of the header. NULL: no header is
 * there, the name contains a NUL, or an extra field repeats the name in UTF-8. Caller frees. */
char *entry_zip_name(const void *zip, size_t n, size_t at);
/* Replace control characters in a text for people, which a hostile name may bring into it, by
 * question marks. Bytes above ASCII stay. */
void entry_make_printable(char *text);

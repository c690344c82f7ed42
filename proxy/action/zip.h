#pragma once

/*
 * zip - write a folder as a zip archive, from front to end: the descriptor may be a pipe.
 *
 * Why not libarchive: its writing half brings libxml2 and ICU into the program. What is written is
 * the same for the same folder: names in order, no times.
 */

#include <stdint.h>

struct err;

/* Files, folders and links below `dir`, with their permissions. 0, or -1: ERR_SYSTEM (cannot read
 * or write), ERR_LIMIT (what this format cannot say: 65535 entries, 4 GiB). Blocks. */
int zip_folder(const char *dir, int fd, struct err *err);

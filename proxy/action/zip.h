#pragma once

/*
 * zip - write a folder as a zip archive, in one pass, so that the descriptor may be a pipe.
 *
 * libarchive is not used: its writers pull libxml2 and ICU into the program. The output is
 * reproducible: names are sorted, and times are left out.
 */

struct err;

/* Write the files, folders and links below `dir` with their modes to `fd`. 0, or -1: ERR_SYSTEM
 * (cannot read or write) or ERR_LIMIT (too much for the format: 65535 entries, 4 GiB). Blocks. */
int zip_folder(const char *dir, int fd, struct err *err);

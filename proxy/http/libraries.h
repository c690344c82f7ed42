#pragma once
/*
 * libraries - which versions of the libraries that read what strangers send are in use.
 *
 * Those of libarchive, OpenSSL and zlib are what is loaded now. libh2o tells none when it runs: its
 * version is that of the headers it was built with.
 */

#include <stdio.h>

#define N_LIBRARIES 4

struct library {
    const char *name;
    const char *version; /* static */
};

/* Fill in all of them. */
void libraries_read(struct library libraries[N_LIBRARIES]);
/* What --version prints: the program and its version, then a line for each library. */
void libraries_print(FILE *file, const char *program_version);

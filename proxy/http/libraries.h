#pragma once

/*
 * libraries - the names and versions of the libraries that parse outside input.
 *
 * libarchive, OpenSSL and zlib report the version that is loaded. libh2o reports none at run time,
 * so we name the version of the headers that we were built with.
 */

#include <stdio.h>

#define N_LIBRARIES 4

struct library {
    const char *name;
    const char *version; /* a string constant */
};

/* Fill in the name and version of each library. */
void libraries_read(struct library libraries[N_LIBRARIES]);
/* Print what --version shows: the program and its version, then one line for each library. */
void libraries_print(FILE *file, const char *program_version);

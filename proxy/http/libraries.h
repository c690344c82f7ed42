#pragma once
/*
 * libraries - versions of the libraries that parse outside input.
 *
 * libarchive, OpenSSL and zlib report the version that is loaded. libh2o reports none at run time:
 * its version is that of the headers we were built with.
 */

#include <stdio.h>

#define N_LIBRARIES 4

struct library {
    const char *name;
    const char *version; /* a string constant */
};

/* Fill in all libraries. */
void libraries_read(struct library libraries[N_LIBRARIES]);
/* The output of --version: the program and its version, then one line for each library. */
void libraries_print(FILE *file, const char *program_version);

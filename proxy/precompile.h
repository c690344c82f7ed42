#pragma once

/*
 * precompile - the command -compile: code from stdin, built as an /init would build it, as a zip to
 * stdout. Such a zip starts without a compiler: docker run -i IMAGE -compile main <src >zip.
 */

#include <stdint.h>

struct build_opts;
struct err;
struct loop;

struct precompile_opts {
    const char *main;     /* "": "main" */
    const char *env;      /* a JSON object of variables for the compiler; NULL: none */
    uint64_t bytes_max;   /* of the code */
    uint64_t deadline_ms; /* span for unpacking and compiling */
};

/* 0, or -1 with err; what a compiler said was written to stderr then. */
int precompile_run(struct loop *loop, const struct build_opts *build,
                   const struct precompile_opts *opts, struct err *err);

#pragma once

/*
 * precompile - the option -compile: read code from stdin, build it as an /init would, write a zip
 * to stdout. The zip starts without a compiler: docker run -i IMAGE -compile main <src >zip.
 */

#include <stdint.h>

struct build_opts;
struct err;
struct loop;

struct precompile_opts {
    const char *main;     /* "" stands for "main" */
    const char *env;      /* a JSON object of variables for the compiler; NULL: none */
    uint64_t bytes_max;   /* size limit of the code */
    uint64_t deadline_ms; /* time limit for unpacking and compiling */
};

/* 0, or -1 with err. The compiler's messages have been written to stderr. */
int precompile_run(struct loop *loop, const struct build_opts *build,
                   const struct precompile_opts *opts, struct err *err);

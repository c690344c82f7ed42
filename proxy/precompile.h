#pragma once

/*
 * precompile - the option -compile: read code from stdin, build it as an /init would, write a zip
 * to stdout. The zip starts without a compiler: docker run -i IMAGE -compile main <src >zip.
 */

struct build_opts;
struct config;
struct err;
struct loop;

/* 0, or -1 with err. The compiler's messages have been written to stderr. */
int precompile_run(struct loop *loop, const struct build_opts *build, const struct config *config,
                   struct err *err);

#pragma once

/*
 * precompile - the option -compile: read code from stdin, build it as an /init would, write a zip
 * to stdout. An /init with this zip needs no compiler. Example:
 * docker run -i IMAGE -compile main <src >zip
 */

struct build_opts;
struct config;
struct err;
struct loop;

/* Read the code from stdin, build it, write the zip to stdout and the compiler's messages to
 * stderr. Returns 0, or -1 with err. */
int precompile_run(struct loop *loop, const struct build_opts *build, const struct config *config,
                   struct err *err);

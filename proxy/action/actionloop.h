#pragma once

/*
 * actionloop - what the images of Apache's ActionLoop say in their environment, so that this
 * program can stand in them as /bin/proxy. Source: openwhisk-contract 2.2 to 2.6.
 */

#include <stdbool.h>
#include <stddef.h>

struct err;
struct runtimes;

/* Texts are borrowed from the environment; NULL: not set. */
struct actionloop {
    bool on; /* this is such an image: it sets one of the variables, or we are "proxy" */
    const char *compiler;      /* OW_COMPILER: builds what is no program already */
    const char *execution_env; /* OW_EXECUTION_ENV: what exec.env must say */
    const char *save_jar;      /* OW_SAVE_JAR: the name under which a jar is kept unexpanded */
    bool wait_for_ack;         /* OW_WAIT_FOR_ACK: actions must report ready */
};

/* Read the environment, and put there what actions and compilers shall find. program: argv[0].
 * debug: actions are told where to trace. 0, or -1: ERR_REQUEST. */
int actionloop_read(struct actionloop *actionloop, const char *program, bool debug,
                    struct err *err);

/* The runtime of programs, unless a manifest has described it. */
void actionloop_add_native(struct runtimes *runtimes);
/* Add the runtime ACTIONLOOP_RUNTIME: everything that is no program is built by `compiler`. */
void actionloop_add_compiler(struct runtimes *runtimes, const char *compiler);
#define ACTIONLOOP_RUNTIME "actionloop"

/* Whether the folder was built for this image. 0, or -1 (ERR_ACTION); with `said` filled when the
 * log is to tell what was found instead. said: NUL-terminated always. */
int actionloop_check_built(const struct actionloop *actionloop, const char *bin, char *said,
                           size_t size, struct err *err);

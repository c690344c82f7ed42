#pragma once

/*
 * actionloop - the environment of Apache's ActionLoop images, in which this program can serve as
 * /bin/proxy. Source: openwhisk-contract 2.2 to 2.6.
 */

#include <stdbool.h>
#include <stddef.h>

struct err;
struct runtimes;

/* Texts are borrowed from the environment; NULL: not set. */
struct actionloop {
    bool on; /* an ActionLoop image: one of the variables is set, or our name is "proxy" */
    const char *compiler;      /* OW_COMPILER: compiles everything that is no program */
    const char *execution_env; /* OW_EXECUTION_ENV: what exec.env must say */
    const char *save_jar;      /* OW_SAVE_JAR: the name under which a jar is kept unexpanded */
    bool wait_for_ack;         /* OW_WAIT_FOR_ACK: actions must report ready */
};

/* Read the environment and add what actions and compilers expect there. program: argv[0]. debug:
 * actions are told where to trace. 0, or -1: ERR_REQUEST. */
int actionloop_read(struct actionloop *actionloop, const char *program, bool debug,
                    struct err *err);

/* The runtime for programs, unless a manifest describes one. */
void actionloop_add_native(struct runtimes *runtimes);
/* Add the runtime ACTIONLOOP_RUNTIME, in which `compiler` builds everything that is no program. */
void actionloop_add_compiler(struct runtimes *runtimes, const char *compiler);
#define ACTIONLOOP_RUNTIME "actionloop"

/* Whether the folder was built for this image. 0, or -1 (ERR_ACTION). said: for the log, what was
 * found instead, or ""; always NUL-terminated. */
int actionloop_check_built(const struct actionloop *actionloop, const char *bin, char *said,
                           size_t size, struct err *err);

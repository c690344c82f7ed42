#pragma once

/*
 * actionloop - the environment variables of Apache's ActionLoop images, in which this program can
 * take the place of /bin/proxy. Source: openwhisk-contract 2.2 to 2.6.
 */

#include <stdbool.h>
#include <stddef.h>

struct err;
struct runtimes;

/* Texts are borrowed from the environment; NULL: not set, or empty. */
struct actionloop {
    /* an ActionLoop image: OW_COMPILER, OW_EXECUTION_ENV or OW_WAIT_FOR_ACK is set, even if empty,
     * or our name is "proxy" */
    bool on;
    const char *compiler;      /* OW_COMPILER: command that compiles actions that are no programs */
    const char *execution_env; /* OW_EXECUTION_ENV: what the file exec.env must contain */
    const char *save_jar;      /* OW_SAVE_JAR: the name under which a jar is kept unexpanded */
    bool wait_for_ack;         /* OW_WAIT_FOR_ACK: actions must report when they are ready */
};

/* Read the environment and set the variables that actions and compilers expect. program: argv[0].
 * debug: set OW_DEBUG to the file into which actions write their traces. 0, or -1: ERR_REQUEST. */
int actionloop_read(struct actionloop *actionloop, const char *program, bool debug,
                    struct err *err);

/* Add the runtime "native", for executables named exec, unless a manifest describes it. */
void actionloop_add_native(struct runtimes *runtimes);
/* Add the runtime ACTIONLOOP_RUNTIME: `compiler` builds every action that is no program. */
void actionloop_add_compiler(struct runtimes *runtimes, const char *compiler);
#define ACTIONLOOP_RUNTIME "actionloop"

/* Check by its file exec.env that folder `bin` was built for this image. 0, or -1 (ERR_ACTION).
 * said: gets a text for the log if exec.env names another image, else ""; always NUL-terminated. */
int actionloop_check_built(const struct actionloop *actionloop, const char *bin, char *said,
                           size_t size, struct err *err);

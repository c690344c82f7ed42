#pragma once

/*
 * actionloop - read the environment variables of Apache's ActionLoop images. In such an image this
 * program can take the place of /bin/proxy. Source: openwhisk-contract, sections 2.2 to 2.6.
 */

#include <stdbool.h>
#include <stddef.h>

struct err;
struct runtimes;

/* The strings are borrowed from the environment. NULL: the variable is not set, or empty. */
struct actionloop {
    /* we run in an ActionLoop image: OW_COMPILER, OW_EXECUTION_ENV or OW_WAIT_FOR_ACK is set, even
     * if empty, or argv[0] names the file "proxy" */
    bool on;
    const char *compiler; /* OW_COMPILER: command that compiles an action that is no executable */
    const char *execution_env; /* OW_EXECUTION_ENV: required content of an action's exec.env */
    const char *save_jar;      /* OW_SAVE_JAR: store a jar, not unpacked, under this file name */
    bool wait_for_ack;         /* OW_WAIT_FOR_ACK: actions must report when they are ready */
};

/* Read the environment and set the variables that actions and compilers expect. program: argv[0].
 * debug: set OW_DEBUG to the file into which actions write their traces. 0, or -1: ERR_REQUEST
 * (OW_SAVE_JAR is not a bare name). */
int actionloop_read(struct actionloop *actionloop, const char *program, bool debug,
                    struct err *err);

/* Add the runtime "native", for executables named exec, unless a runtime.json has defined it. */
void actionloop_add_native(struct runtimes *runtimes);
/* Add the runtime ACTIONLOOP_RUNTIME, which builds every action with the command `compiler`, except
 * those that are programs already. */
void actionloop_add_compiler(struct runtimes *runtimes, const char *compiler);
#define ACTIONLOOP_RUNTIME "actionloop"

/* Check that the action in folder `bin` was built for this image: if OW_EXECUTION_ENV is set, the
 * file bin/exec.env must contain its value. 0, or -1 (ERR_ACTION). said: gets a text for the log if
 * exec.env contains something else, otherwise ""; always NUL-terminated. */
int actionloop_check_built(const struct actionloop *actionloop, const char *bin, char *said,
                           size_t size, struct err *err);

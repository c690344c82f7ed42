#pragma once

/*
 * err - one failure: a kind, an errno and one line of text.
 */

enum err_kind {
    ERR_NONE = 0,
    ERR_REQUEST,   /* the client sent something unusable */
    ERR_NO_CODE,   /* the request holds no code to execute */
    ERR_LIMIT,     /* a limit set by the proxy would be exceeded */
    ERR_CODE,      /* the action's code cannot be unpacked, located or compiled */
    ERR_ACTION,    /* the action could not run, ended early or broke the protocol */
    ERR_SYSTEM,    /* the operating system refused; `os` tells why */
    ERR_EXHAUSTED, /* out of memory, or a limit of --rlimit-cpu or --rlimit-fsize is reached */
    ERR_TIMEOUT,   /* the action's process was not ready in time */
};

/* Lives on the caller's stack and owns nothing: there is nothing to free. */
struct err {
    enum err_kind kind;
    int os;         /* errno value; 0 when none applies */
    char text[512]; /* one line without newline, cut when longer */
    /* More words, for the action's log and for a header of the reply. They are not in `text`, since
     * OpenWhisk's test suites compare it. "": none. */
    char detail[256];
};

/* Fill *err and return -1, so that a failing function can say `return err_set(...)`. */
int err_set(struct err *err, enum err_kind kind, int os, const char *fmt, ...)
    __attribute__((format(printf, 4, 5), cold));

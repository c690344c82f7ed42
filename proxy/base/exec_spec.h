#pragma once

/*
 * exec_spec - how to start one worker: what action/ works out from code and manifest, and worker/
 * carries out without knowing a language.
 */

#include <stdbool.h>

struct privileges;

/* Where the answers come from; architecture 3. */
enum answers {
    ANSWERS_AUTO,   /* whichever channel first carries one; then it is fixed */
    ANSWERS_STDOUT, /* descriptor 1; the user's stdout is descriptor 3 */
    ANSWERS_FD3,    /* descriptor 3, as in ActionLoop */
};

/* All members owned, but for privileges. */
struct exec_spec {
    char **argv;     /* NULL-terminated; argv[0] is a path, or a name looked up in env's PATH */
    char **env;      /* NULL-terminated NAME=value */
    char *cwd;       /* absolute; working folder of the worker */
    char *shortfall; /* what to tell when argv[0] is not found; NULL: nothing special */
    const struct privileges *privileges; /* borrowed; NULL: what we may do, it may */
    enum answers answers;
    bool socket_in;       /* descriptor 0 is a socket, which carries descriptors too, and no pipe */
    bool shares_ring;     /* it may keep answers in memory that we see, base/ring.h */
    bool reports_ready;   /* the first answer line must be {"ok":true} */
    bool wants_object;    /* the argument must be an object or an array */
    bool logs_init_error; /* a failed start is told on stderr, the client gets a general text */
};

/* Frees all members and leaves zeroes; accepts zeroes and half-built. */
void exec_spec_done(struct exec_spec *spec);

/* Append one string (owned from now on) to a NULL-terminated vector that may be NULL. */
void strv_push(char ***vector, char *owned_text);
void strv_free(char ***vector);
/* Set NAME=value in a vector of NAME=value, replacing an older one of the same name. */
void strv_setenv(char ***vector, const char *name, const char *value);

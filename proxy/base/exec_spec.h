#pragma once

/*
 * exec_spec - how to start one worker: action/ derives it from code and manifest, worker/ executes
 * it without knowing the language.
 */

#include <stdbool.h>

struct privileges;

/* PATH of a process whose environment has none. */
#define EXEC_SPEC_DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The descriptor that carries answers; architecture 3. */
enum answers {
    ANSWERS_AUTO,   /* descriptor 1 or 3, whichever carries the first answer */
    ANSWERS_STDOUT, /* descriptor 1; the user's stdout is descriptor 3 */
    ANSWERS_FD3,    /* descriptor 3, as in ActionLoop */
};

/* All members owned, but for privileges. */
struct exec_spec {
    char **argv;     /* NULL-terminated; argv[0] is a path, or a name looked up in env's PATH */
    char **env;      /* NULL-terminated NAME=value */
    char *cwd;       /* absolute; working folder of the worker */
    char *shortfall; /* what to install when argv[0] is not found, for the error; NULL: not known */
    const struct privileges *privileges; /* borrowed; NULL: our own rights */
    enum answers answers;
    bool socket_in;     /* descriptor 0 is a socket that can pass descriptors, not a pipe */
    bool shares_ring;   /* the worker may keep answers in memory shared with us, base/ring.h */
    bool reports_ready; /* the first answer line must be {"ok":true} */
    bool wants_object;  /* the argument must be an object or an array */
};

/* Free all members and leave zeroes; accepts a spec that is zeroed or only partly filled. */
void exec_spec_done(struct exec_spec *spec);

/* Append one string (owned from now on) to a NULL-terminated vector that may be NULL. */
void strv_push(char ***vector, char *owned_text);
void strv_free(char ***vector);
/* Set NAME=value in a vector of NAME=value, replacing an older one of the same name. */
void strv_setenv(char ***vector, const char *name, const char *value);

#pragma once

/*
 * exec_spec - how to start one worker process. action/ derives this from the action's code and from
 * runtime.json, the manifest of the language's runtime. worker/ starts the process without knowing
 * the language.
 */

#include <stdbool.h>

struct privileges;

/* PATH for a process whose environment has none. */
#define EXEC_SPEC_DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The worker's descriptor on which its answers come; see Descriptors in runtime/README.md. */
enum answers {
    ANSWERS_AUTO,   /* 1 or 3: decided by the first answer, and a line on 3 wins */
    ANSWERS_STDOUT, /* descriptor 1; what comes on descriptor 3 is log */
    ANSWERS_FD3,    /* descriptor 3, as in OpenWhisk's ActionLoop proxy */
};

/* All members are owned, except privileges. */
struct exec_spec {
    char **argv;     /* NULL-terminated; argv[0] is a path, or a name looked up in env's PATH */
    char **env;      /* NULL-terminated, each string NAME=value */
    char *cwd;       /* the worker's working folder, an absolute path */
    char *shortfall; /* for error texts: what to install if argv[0] is missing; NULL: not known */
    /* If exec refuses argv or env, we start `instead` and write instead_line to its descriptor 0.
     * NULL: the start fails. */
    struct exec_spec *instead;
    char *instead_line;
    const struct privileges *privileges; /* borrowed; NULL: the worker has the proxy's own rights */
    enum answers answers;
    bool socket_in;     /* descriptor 0 is a socket that can pass descriptors, not a pipe */
    bool shares_ring;   /* the worker may put answers into memory shared with us, see base/ring.h */
    bool reports_ready; /* before its first answer the worker must write {"ok":true} */
    bool wants_object;  /* an activation's argument must be an object, an array, null or missing */
};

/* Free all members and leave zeroes; accepts a spec that is zeroed or only partly filled. */
void exec_spec_done(struct exec_spec *spec);

/* Append one string, which the vector then owns, to a NULL-terminated vector. *vector may be
 * NULL. */
void strv_push(char ***vector, char *owned_text);
void strv_free(char ***vector);
/* Set a variable in a vector of NAME=value strings, replacing an older one of the same name. */
void strv_setenv(char ***vector, const char *name, const char *value);
/* Like strv_setenv(), for a string NAME=value, which the vector then owns. */
void strv_put(char ***vector, char *owned_variable);
/* Like strv_put(), for a copy of each string in `from`; NULL: there is none. */
void strv_put_all(char ***vector, char *const *from);

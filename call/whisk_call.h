#pragma once

/*
 * whisk_call - call an action from a program. The action is a subprocess, `whiskloop pipe`. A call
 * is a line in and a line out. whisk_call.py has the same words for Python.
 *
 * A caller is for one thread at a time. Texts are JSON in UTF-8. Nothing here prints; the action's
 * log is this program's stderr. The manual is whisk_call(3).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct whisk_caller;

/* docs/errors.md says for each whether to try again. */
enum whisk_call_kind {
    WHISK_CALL_OK,
    WHISK_CALL_REQUEST,
    WHISK_CALL_METHOD,
    WHISK_CALL_ACTION,
    WHISK_CALL_DIED,
    WHISK_CALL_LATE,
    WHISK_CALL_EXHAUSTED,
    WHISK_CALL_OVERLOAD,
    WHISK_CALL_UNAVAILABLE,
};

/* text: the result, a part of it, or {"error":…}; n bytes and a NUL; of whisk_call_start() valid
 * during the callback, of whisk_call_run() until the caller is used next. */
struct whisk_answer {
    enum whisk_call_kind kind;
    bool is_part; /* more follows */
    const char *text;
    size_t n;
};

typedef void whisk_answer_fn(void *user, const struct whisk_answer *answer);

struct whisk_call_options {
    const char *program;         /* NULL: whiskloop, from PATH */
    const char *const *settings; /* more words for pipe, such as "--workers", "4", NULL */
    const char *docker;          /* for an image; NULL: docker, from PATH */
};

/* Start the action: a file, a folder, or "image:NAME", which runs `docker run -i --rm NAME pipe`.
 * options: NULL for none. NULL, with errno: the program could not be started. */
struct whisk_caller *whisk_call_open(const char *action, const struct whisk_call_options *options);
/* Wait until the action is loaded. 0; -1: it failed (whisk_call_error()), or ms have passed. Calls
 * may be started before. */
int whisk_call_ready(struct whisk_caller *caller, int ms);
/* Why the last call of a function here returned -1; one line. */
const char *whisk_call_error(const struct whisk_caller *caller);

/* One call, start to end. argument: JSON; NULL: {}. ms: its deadline; 0: as --timeout says;
 * below 0: it has passed. Returns 0: answer->text is the result; -1: it is an error, and kind says
 * which. Parts are dropped. */
int whisk_call_run(struct whisk_caller *caller, const char *argument, int ms,
                   struct whisk_answer *answer);
/* Start a call; answered(user, …) follows once, after the parts, from whisk_call_step() or a
 * function that waits. 0; -1: it cannot be started, and nothing follows. */
int whisk_call_start(struct whisk_caller *caller, const char *argument, int ms,
                     whisk_answer_fn *answered, void *user);
/* Of all calls from now on: the function (--functions) that they call. NULL: the first. */
void whisk_call_method(struct whisk_caller *caller, const char *method);

/* Calls that have not been answered. */
size_t whisk_call_in_flight(const struct whisk_caller *caller);
/* For one's own event loop: readable when whisk_call_step() has something to do. */
int whisk_call_fd(const struct whisk_caller *caller);
/* Write and read what is possible, wait at most ms for anything (-1: for ever). 0; -1: the
 * subprocess has ended, and all calls were answered. */
int whisk_call_step(struct whisk_caller *caller, int ms);

/* End the subprocess, at the latest in 2 seconds. Calls in flight are given up without a word. */
void whisk_call_close(struct whisk_caller **caller);

#ifdef __cplusplus
}
#endif

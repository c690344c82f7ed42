#pragma once

/*
 * compile - run a compiler once on an action's sources, in its own process group and with a
 * deadline, and keep the start of its output. The sources are not trusted, so the compiler runs as
 * the action's user and under the action's limits.
 *
 * For the compiler of an ActionLoop image (OW_COMPILER) a single byte of output counts as a
 * failure: some of these compilers report errors and still exit with 0 (openwhisk-contract, section
 * 2.5).
 */

#include <stdbool.h>
#include <stdint.h>

#include "action/helper.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/exec_spec.h"

/* Keep at most this much compiler output. The reply to /init contains it, and the platform cuts a
 * reply at 1 MB. */
#define COMPILE_SAID_MAX_BYTES (128u << 10)

/* Exit status of a compiler that failed and wants its output to be sent to the client, too, not
 * only to the log. */
#define COMPILE_TELLS_CLIENT 3

/* Exit status of a compiler: the action can be started but lacks something, which the last line of
 * the output names. If `must_be_silent` is set, this status is a failure like any other. */
#define COMPILE_LACKS 75

struct compile;
typedef void compile_done_fn(struct compile *compile);

struct compile {
    /* what to do: set by the owner before compile_start() */
    struct exec_spec spec;   /* argv, env and privileges, the rest is ignored; taken over */
    uint64_t file_max_bytes; /* largest file that the compiler may write */
    bool must_be_silent;     /* any output counts as a failure */
    compile_done_fn *done;   /* called once from the loop, never from inside compile_start() */

    /* the outcome */
    bool failed;
    bool lacks;     /* exit status COMPILE_LACKS: not failed, but the action lacks something */
    struct err err; /* if failed: ERR_CODE, or ERR_LIMIT when time ran out; one line of text */

    struct helper helper; /* helper.said: the compiler's stdout and stderr, mixed as they came */
};

/* Call before compile_start(). A struct compile serves one run, and then needs a new
 * compile_init(). */
void compile_init(struct compile *compile);
/* 0, and `done` is called later; or -1 with err (ERR_SYSTEM): no process or pipe available.
 * deadline_at_ms: in the time of loop_now_ms(). */
int compile_start(struct compile *compile, struct loop *loop, uint64_t deadline_at_ms,
                  struct err *err);
/* Kill the compiler if it still runs, and free all members. `done` will not be called. May be
 * called repeatedly. */
void compile_cancel(struct compile *compile);

/* Call after a failure: appends to `out` a text for the author of the code, in the compiler's own
 * words as far as possible. */
void compile_explain(const struct compile *compile, struct buf *out);

#pragma once

/*
 * compile - run a compiler once over an action's sources: a process group of its own, a deadline,
 * and what it says, kept up to a bound. It works on a stranger's code, so it may do what the action
 * may: the same user, the same limits.
 *
 * Where the compiler is the program of an ActionLoop image, a single byte of output is a failure:
 * some of them report faults and still end with 0 (openwhisk-contract 2.5).
 */

#include <stdbool.h>
#include <stdint.h>

#include "action/helper.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/exec_spec.h"
#include "base/loop.h"

/* Kept of what a compiler says; the reply carries it, and the platform cuts that at 1 MB. */
#define COMPILE_SAID_MAX_BYTES (128u << 10)

/* A compiler's exit status: what it said is for the client to read, not for the log alone. */
#define COMPILE_TELLS_CLIENT 3

struct compile;
typedef void compile_done_fn(struct compile *compile);

struct compile {
    /* what to do: set by the owner before compile_start() */
    struct exec_spec spec;   /* argv, env, cwd (NULL: ours), privileges; owned from then on */
    uint64_t file_max_bytes; /* largest file that it may write */
    bool must_be_silent;     /* any output is a failure */
    compile_done_fn *done;   /* called once from the loop, never from inside compile_start() */

    /* how it ended */
    bool failed;
    struct err err; /* when failed: ERR_CODE, or ERR_LIMIT when its time was up; one line */

    struct helper helper; /* `said`: its stdout and stderr as they came */
};

/* Before each start: a compile is used once. */
void compile_init(struct compile *compile);
/* 0 and `done` later, or -1 with err (ERR_SYSTEM): no process or pipe to be had.
 * deadline_at_ms: loop time. */
int compile_start(struct compile *compile, struct loop *loop, uint64_t deadline_at_ms,
                  struct err *err);
/* Kills what still runs and frees all; `done` will not be called any more. Any number of times. */
void compile_cancel(struct compile *compile);

/* After a failure: the text for whoever wrote the code, as far as possible what the compiler said
 * itself; appended to `out`. */
void compile_explain(const struct compile *compile, struct buf *out);

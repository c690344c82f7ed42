#include "filter/invoke.h"

#include <assert.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/util.h"
#include "filter/argument.h"
#include "filter/calls.h"
#include "filter/outlet.h"
#include "pool/pool.h"
#include "worker/contract.h"

#define PIECES_MAX 3 /* calls_answers() needs at most this many for one call without an id */

struct invoke {
    struct loop *loop;  /* borrowed */
    struct calls calls; /* holds one call, until its answer is written */
    struct outlet outlet;
    struct loop_post step;
    struct err err; /* why there is no result, to pass to `ended`; ERR_NONE: there is one */
    bool told;      /* `ended` was called */
    bool stopped;   /* write no answer, and do not call `ended` */
    invoke_ended_fn *ended;
    void *owner;
};

static struct invoke *invoke_of(struct job *job)
{
    struct calls *calls = container_of(job, struct call, job)->calls;

    return container_of(calls, struct invoke, calls);
}

static void on_done(struct job *job)
{
    struct invoke *invoke = invoke_of(job);
    struct json_slice error;
    char why[sizeof(job->reason) + 64];
    char more[sizeof(job->reason)];

    assert(invoke->err.kind == ERR_NONE);
    if (!contract_read_answer(job, &error)) {
        contract_explain(job, invoke->calls.opts.answer_max_bytes, why, sizeof(why));
        contract_say_more(job, more, sizeof(more));
        (void)err_set(&invoke->err, ERR_ACTION, 0,
                      more[0] != '\0' ? "invoke: %s (%s)" : "invoke: %s", why, more);
    } else if (error.kind != JSON_BAD) {
        (void)err_set(&invoke->err, ERR_ACTION, 0, "invoke: the action answered with an error");
    }
    calls_done(&invoke->calls, job);
    loop_post(invoke->loop, &invoke->step);
}

static void on_parts(struct job *job)
{
    struct invoke *invoke = invoke_of(job);

    calls_take_parts(&invoke->calls, job);
    loop_post(invoke->loop, &invoke->step);
}

/* Write what the call has to write. Call `ended` when everything is written or writing has failed.
 * If the reader leaves while there is nothing to write, the activation goes on: only the next
 * write fails. */
static void on_step(struct loop_post *post)
{
    struct invoke *invoke = container_of(post, struct invoke, step);
    struct iovec pieces[PIECES_MAX];
    int n_pieces;
    size_t n;

    if (invoke->told || invoke->stopped)
        return;
    assert(invoke->calls.n <= 1);
    while ((n_pieces = calls_answers(&invoke->calls, pieces, PIECES_MAX)) > 0 &&
           (n = outlet_write(&invoke->outlet, pieces, n_pieces)) > 0)
        calls_wrote(&invoke->calls, n);
    if (n_pieces == 0 ? invoke->calls.n > 0 : invoke->outlet.err.kind == ERR_NONE)
        return; /* `post` is posted again when there is more to write, or room for it */
    invoke->told = true;
    invoke->ended(invoke->owner, n_pieces == 0 ? &invoke->err : &invoke->outlet.err);
}

/* ---- for the owner ---- */

struct invoke *invoke_new(struct loop *loop, const struct invoke_opts *opts, invoke_ended_fn *ended,
                          void *owner, struct err *err)
{
    struct invoke *invoke = xcalloc(1, sizeof(*invoke));
    struct job job = {.takes_any_result = opts->any};
    struct err why;

    invoke->loop = loop;
    invoke->ended = ended;
    invoke->owner = owner;
    loop_post_init(&invoke->step, on_step);
    calls_init(&invoke->calls, &(struct calls_opts){.run_ms = opts->run_ms,
                                                    .answer_max_bytes = opts->answer_max_bytes,
                                                    .form = opts->any ? CALL_ANY : CALL_BODY,
                                                    .is_bare = true,
                                                    .done = on_done,
                                                    .on_parts = opts->parts ? on_parts : NULL});
    outlet_init(&invoke->outlet);
    if (argument_read(&job, opts->argument, opts->members, opts->argument_max_bytes,
                      loop_signal_fd(loop), &why) == 0)
        calls_add_made(&invoke->calls, job.line, job.len);
    else
        (void)err_set(err, why.kind, why.os, "invoke: %s", why.text);
    assert(invoke->calls.n <= 1);
    assert(invoke->calls.n_given == 0);
    if (invoke->calls.n == 0 || outlet_open(&invoke->outlet, loop, NULL, &invoke->step, err) < 0)
        invoke_free(&invoke);
    return invoke;
}

void invoke_free(struct invoke **invoke)
{
    struct invoke *i = *invoke;

    if (i == NULL)
        return;
    loop_post_cancel(&i->step);
    outlet_close(&i->outlet);
    calls_free(&i->calls);
    free(i);
    *invoke = NULL;
}

void invoke_serve(struct invoke *invoke, struct pool *pool)
{
    struct job *job = calls_give(&invoke->calls);
    bool taken = job != NULL && pool_submit(pool, job);

    assert(taken); /* the pool gets jobs from nobody else, and a worker is free */
}

void invoke_stop(struct invoke *invoke)
{
    invoke->stopped = true;
}

bool invoke_is_running(const struct invoke *invoke)
{
    return invoke->calls.n_given > 0;
}

bool invoke_has_ended(const struct invoke *invoke)
{
    return invoke->told;
}

bool invoke_is_done(const struct invoke *invoke)
{
    return invoke->told || invoke->calls.next != NULL;
}

#include "filter/invoke.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/util.h"
#include "filter/argument.h"
#include "filter/outlet.h"
#include "worker/contract.h"
#include "worker/part_form.h"
#include "worker/parts.h"
#include "pool/pool.h"

struct invoke {
    struct loop *loop; /* borrowed */
    struct invoke_opts opts;
    struct job job;
    struct outlet outlet;
    struct loop_post step;
    struct buf lines; /* with --parts: the parts, then the answer; what is not written yet */
    size_t written;   /* bytes written of the answer and its newline */
    bool running;     /* the pool has the job */
    bool answered;
    bool ended_lines; /* the answer is among the lines */
    bool told;        /* `ended` was called */
    invoke_ended_fn *ended;
    void *owner;
};

static void tell_end(struct invoke *invoke, const struct err *err)
{
    invoke->told = true;
    invoke->ended(invoke->owner, err);
}

static void on_done(struct job *job)
{
    struct invoke *invoke = container_of(job, struct invoke, job);

    invoke->running = false;
    invoke->answered = contract_is_answered(job);
    loop_post(invoke->loop, &invoke->step);
}

/* true: all is written. */
static bool write_lines(struct invoke *invoke)
{
    while (buf_len(&invoke->lines) > 0) {
        struct iovec piece = {invoke->lines.bytes + invoke->lines.start, buf_len(&invoke->lines)};
        size_t n = outlet_write(&invoke->outlet, &piece, 1);

        if (n == 0)
            return false;
        buf_drop(&invoke->lines, n);
    }
    return true;
}

/* Write the parts that have come, and the answer after them. true: all is written. */
static bool write_parts(struct invoke *invoke)
{
    struct job *job = &invoke->job;

    if (!write_lines(invoke))
        return false;
    part_form_parts(&part_lines, &invoke->lines, job);
    if (job->outcome != JOB_PENDING && !invoke->ended_lines) {
        part_form_end(&part_lines, &invoke->lines, job, invoke->opts.answer_max_bytes);
        invoke->ended_lines = true;
    }
    return write_lines(invoke);
}

/* true: all is written. */
static bool write_answer(struct invoke *invoke)
{
    char newline[] = "\n";
    struct job *job = &invoke->job;

    while (invoke->written <= job->answer_len) {
        struct iovec pieces[] = {{job->answer + invoke->written, job->answer_len - invoke->written},
                                 {newline, 1}};
        size_t n = outlet_write(&invoke->outlet, pieces, (int)ARRAY_LEN(pieces));

        if (n == 0)
            return false;
        invoke->written += n;
    }
    return true;
}

static void on_step(struct loop_post *post)
{
    struct invoke *invoke = container_of(post, struct invoke, step);
    struct job *job = &invoke->job;
    struct err err = {.kind = ERR_NONE};
    char why[sizeof(job->reason) + 64];

    if (invoke->told)
        return;
    if (invoke->opts.parts && !write_parts(invoke)) {
        if (invoke->outlet.err.kind != ERR_NONE)
            tell_end(invoke, &invoke->outlet.err);
        return; /* until there is room */
    }
    if (job->outcome == JOB_PENDING)
        return;
    if (!invoke->answered) {
        contract_explain(job, invoke->opts.answer_max_bytes, why, sizeof(why));
        (void)err_set(&err, ERR_ACTION, 0,
                      job->outcome == JOB_DIED && job->reason[0] != '\0' ? "invoke: %s (%s)"
                                                                         : "invoke: %s",
                      why, job->reason);
    } else if (!invoke->opts.parts && !write_answer(invoke)) {
        if (invoke->outlet.err.kind == ERR_NONE)
            return; /* until there is room */
        err = invoke->outlet.err;
    } else if (contract_is_error(job)) {
        (void)err_set(&err, ERR_ACTION, 0, "invoke: the action answered with an error");
    }
    tell_end(invoke, &err);
}

static void on_parts(struct job *job)
{
    struct invoke *invoke = container_of(job, struct invoke, job);

    loop_post(invoke->loop, &invoke->step);
}

/* ---- for the owner ---- */

struct invoke *invoke_new(struct loop *loop, const struct invoke_opts *opts, invoke_ended_fn *ended,
                          void *owner, struct err *err)
{
    struct invoke *invoke = xcalloc(1, sizeof(*invoke));

    invoke->loop = loop;
    invoke->opts = *opts;
    invoke->ended = ended;
    invoke->owner = owner;
    invoke->job.done = on_done;
    invoke->job.takes_any_result = opts->any;
    invoke->job.on_parts = opts->parts ? on_parts : NULL;
    invoke->job.limit_ms = opts->run_ms;
    invoke->job.deadline_at_ms = JOB_BY_TURN;
    list_init(&invoke->job.node);
    loop_post_init(&invoke->step, on_step);
    outlet_init(&invoke->outlet);
    if (argument_read(&invoke->job, opts->argument, opts->members, opts->argument_max_bytes,
                      loop_signal_fd(loop), err) < 0 ||
        outlet_open(&invoke->outlet, loop, NULL, &invoke->step, err) < 0)
        invoke_free(&invoke);
    return invoke;
}

void invoke_free(struct invoke **invoke)
{
    struct invoke *i = *invoke;

    if (i == NULL)
        return;
    assert(!i->running);
    loop_post_cancel(&i->step);
    outlet_close(&i->outlet);
    buf_done(&i->lines);
    parts_free(&i->job);
    free(i->job.line);
    free(i->job.answer);
    free(i);
    *invoke = NULL;
}

void invoke_serve(struct invoke *invoke, struct pool *pool)
{
    bool taken = pool_submit(pool, &invoke->job);

    assert(taken); /* the pool has no other client, and a worker is free */
    invoke->running = true;
}

bool invoke_is_running(const struct invoke *invoke)
{
    return invoke->running;
}

bool invoke_has_ended(const struct invoke *invoke)
{
    return invoke->told;
}

bool invoke_is_done(const struct invoke *invoke)
{
    return invoke->told || (!invoke->running && invoke->job.outcome == JOB_PENDING);
}

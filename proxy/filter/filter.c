#include "filter/filter.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "filter/calls.h"
#include "filter/inlet.h"
#include "filter/outlet.h"
#include "pool/pool.h"

#define PIECES_MAX      128  /* most pieces of one write; calls_answers() needs 2 to 4 for a call */
#define WRITES_PER_TURN 32   /* most writes per turn of the loop, which has other work, too */
#define THROUGH_MS      1000 /* time for a parent that has closed our stdout to close our stdin */

struct filter {
    struct loop *loop; /* borrowed */
    struct filter_opts opts;
    struct inlet inlet;
    struct outlet outlet;
    struct calls calls;
    struct pool *pool; /* borrowed; NULL: the action is not ready yet */
    struct loop_post step;
    /* runs `step` in the loop's next turn (loop_post() would run it in this one), or at
     * through_by_ms */
    struct loop_timer more;
    /* loop time by which the input must end after the reader of stdout has left; 0: the reader has
     * not left */
    uint64_t through_by_ms;
    uint64_t drop_up_to; /* lines ending up to this input offset are dropped: their reader left */
    bool stopped;        /* give no more jobs to the pool */
    char *why;           /* owned; why the action could not be started; NULL: it did not fail */
    bool told;           /* `ended` was called */
    filter_ended_fn *ended;
    void *owner;
};

static void on_job_done(struct job *job)
{
    struct calls *calls = container_of(job, struct call, job)->calls;
    struct filter *filter = container_of(calls, struct filter, calls);

    calls_done(calls, job);
    loop_post(filter->loop, &filter->step);
}

static void on_job_parts(struct job *job)
{
    struct calls *calls = container_of(job, struct call, job)->calls;
    struct filter *filter = container_of(calls, struct filter, calls);

    calls_take_parts(calls, job);
    loop_post(filter->loop, &filter->step);
}

/* ---- read lines, give them, write answers ---- */

static bool has_room(const struct filter *filter)
{
    return calls_held(&filter->calls) < filter->opts.held_max_bytes;
}

static void take_lines(struct filter *filter)
{
    const char *text;
    uint64_t end_at;
    size_t n;

    while (has_room(filter)) {
        switch (inlet_next(&filter->inlet, &text, &n, &end_at)) {
        case LINE_READY:
            if (end_at > filter->drop_up_to)
                calls_add(&filter->calls, text, n, loop_now_ms(filter->loop), end_at);
            break;
        case LINE_TOO_LONG:
            if (end_at > filter->drop_up_to)
                calls_add_too_long(&filter->calls, end_at);
            break;
        case LINE_NONE:
            return;
        }
    }
}

/* Give waiting lines to the pool, but not while too many answers are held unwritten. */
static void give_lines(struct filter *filter)
{
    struct job *job;

    if (filter->stopped)
        calls_abandon(&filter->calls, filter->why);
    if (filter->pool == NULL)
        return;
    while (filter->calls.n_given < filter->opts.given_max &&
           filter->calls.answer_bytes < filter->opts.held_max_bytes &&
           (job = calls_give(&filter->calls)) != NULL) {
        bool taken = pool_submit(filter->pool, job);

        assert(taken);
    }
}

/* Write answers. Returns the number of writes. 0: there is nothing to write, or no room for it. */
static unsigned write_answers(struct filter *filter)
{
    struct iovec pieces[PIECES_MAX];
    unsigned n_writes = 0;
    size_t n;

    do {
        int n_pieces = calls_answers(&filter->calls, pieces, PIECES_MAX);

        n = outlet_write(&filter->outlet, pieces, n_pieces);
        calls_wrote(&filter->calls, n);
    } while (n > 0 && ++n_writes < WRITES_PER_TURN);
    return n_writes;
}

/* ---- deciding ---- */

static void tell_end(struct filter *filter, const struct err *err)
{
    assert(!filter->told);
    filter->told = true;
    inlet_close(&filter->inlet);
    filter->ended(filter->owner, err);
}

static void look_at_reader(struct filter *filter)
{
    if (!filter->outlet.left)
        return;
    /* `left` is about a named pipe: if stdout loses its reader, on_step() sees outlet.err first */
    assert(filter->outlet.path != NULL);
    filter->outlet.left = false;
    if (filter->calls.n > 0)
        log_warn("pipe.reader", log_text("left", filter->opts.out),
                 log_count("answers_dropped", filter->calls.n));
    filter->drop_up_to = inlet_seen(&filter->inlet);
    calls_drop(&filter->calls, filter->drop_up_to);
}

/* Nothing can be written any more: end the filter with an error. It is no error if all answers are
 * written and the input ends within THROUGH_MS: a parent that has read all answers may close our
 * stdout before our stdin, as Python's Popen does. */
static void end_without_reader(struct filter *filter)
{
    uint64_t now_ms = loop_now_ms(filter->loop);

    take_lines(filter);
    /* the reader may have left before the first read */
    inlet_want(&filter->inlet, has_room(filter));
    if (filter->through_by_ms == 0)
        filter->through_by_ms = now_ms + THROUGH_MS;
    if (filter_is_done(filter))
        tell_end(filter, &filter->inlet.err);
    else if (filter->outlet.err.os != EPIPE || filter->calls.n > 0 ||
             now_ms >= filter->through_by_ms)
        tell_end(filter, &filter->outlet.err);
    else
        loop_timer_set(filter->loop, &filter->more, filter->through_by_ms);
}

static void on_step(struct loop_post *post)
{
    struct filter *filter = container_of(post, struct filter, step);
    unsigned n_writes;

    if (filter->told)
        return;
    if (filter->outlet.err.kind != ERR_NONE) {
        end_without_reader(filter);
        return;
    }
    look_at_reader(filter);
    take_lines(filter);
    give_lines(filter);
    assert(filter->calls.n_given <= filter->opts.given_max);
    n_writes = write_answers(filter);
    inlet_want(&filter->inlet, has_room(filter));
    if (filter_is_done(filter))
        tell_end(filter, &filter->inlet.err);
    else if (n_writes == WRITES_PER_TURN)
        loop_timer_set(filter->loop, &filter->more, 0);
    else if (n_writes > 0)
        loop_post(filter->loop, &filter->step);
}

static void on_more(struct loop_timer *timer)
{
    struct filter *filter = container_of(timer, struct filter, more);

    /* if `step` is posted already, it still runs only once */
    loop_post(filter->loop, &filter->step);
}

/* ---- for the owner ---- */

struct filter *filter_new(struct loop *loop, const struct filter_opts *opts, filter_ended_fn *ended,
                          void *owner, struct err *err)
{
    struct filter *filter = xcalloc(1, sizeof(*filter));

    assert(opts->held_max_bytes > 0 && opts->given_max > 0);
    filter->loop = loop;
    filter->opts = *opts;
    filter->ended = ended;
    filter->owner = owner;
    loop_post_init(&filter->step, on_step);
    loop_timer_init(&filter->more, on_more);
    calls_init(&filter->calls, &(struct calls_opts){.members = opts->members,
                                                    .run_ms = opts->run_ms,
                                                    .began_at_ms = loop_now_ms(loop),
                                                    .no_deadlines = opts->no_deadlines,
                                                    .line_max_bytes = opts->line_max_bytes,
                                                    .answer_max_bytes = opts->answer_max_bytes,
                                                    .form = opts->form,
                                                    .done = on_job_done,
                                                    .on_parts = opts->parts ? on_job_parts : NULL});
    inlet_init(&filter->inlet);
    outlet_init(&filter->outlet);
    if (inlet_open(&filter->inlet, loop, opts->in, opts->line_max_bytes, &filter->step, err) < 0 ||
        outlet_open(&filter->outlet, loop, opts->out, &filter->step, err) < 0)
        filter_free(&filter);
    else
        loop_post(loop, &filter->step);
    return filter;
}

size_t filter_finish(struct filter *filter, int wait_ms)
{
    uint64_t end_ns = loop_clock_ns() + (uint64_t)wait_ms * 1000000;
    struct iovec pieces[PIECES_MAX];
    uint64_t now_ns;
    int n;

    while (filter->outlet.err.kind == ERR_NONE && (now_ns = loop_clock_ns()) < end_ns &&
           (n = calls_answers(&filter->calls, pieces, PIECES_MAX)) > 0) {
        size_t n_bytes =
            outlet_write_late(&filter->outlet, pieces, n, (int)((end_ns - now_ns) / 1000000) + 1);

        if (n_bytes == 0)
            break;
        calls_wrote(&filter->calls, n_bytes);
    }
    return filter->outlet.err.kind == ERR_NONE ? filter->calls.n : 0;
}

void filter_free(struct filter **filter)
{
    struct filter *f = *filter;

    if (f == NULL)
        return;
    loop_post_cancel(&f->step);
    loop_timer_clear(&f->more);
    inlet_close(&f->inlet);
    outlet_close(&f->outlet);
    calls_free(&f->calls);
    free(f->why);
    free(f);
    *filter = NULL;
}

/* If opts.announces is set, write a line that says whether the action is ready. why: the reason why
 * the action could not be started; NULL: it is ready. reason: a longer text, `why` and what the
 * action has written; NULL: there is no such text. */
static void announce(struct filter *filter, const char *why, const char *reason)
{
    struct buf text = {0};

    if (!filter->opts.announces || filter->told)
        return;
    if (why == NULL) {
        buf_add_text(&text, "{\"ready\":true}");
    } else {
        buf_add_text(&text, "{\"ready\":false,\"error\":");
        json_quote(&text, why, strlen(why));
        if (reason != NULL) {
            buf_add_text(&text, ",\"reason\":");
            json_quote(&text, reason, strlen(reason));
        }
        buf_add_text(&text, "}");
    }
    calls_say(&filter->calls, &text);
}

void filter_serve(struct filter *filter, struct pool *pool)
{
    assert(filter->pool == NULL);
    assert(filter->why == NULL);
    filter->pool = pool;
    filter->calls.opts.wants_object = pool->spec.wants_object;
    announce(filter, NULL, NULL);
    (void)write_answers(filter); /* before a line is given: until then nothing has begun */
    loop_post(filter->loop, &filter->step);
}

void filter_close(struct filter *filter)
{
    inlet_close(&filter->inlet);
    loop_post(filter->loop, &filter->step);
}

void filter_stop(struct filter *filter)
{
    filter->stopped = true;
    filter_close(filter);
}

void filter_fail(struct filter *filter, const char *why, const char *reason)
{
    assert(filter->why == NULL);
    assert(filter->pool == NULL);
    filter->why = xstrdup(why);
    announce(filter, why, reason);
    filter_stop(filter);
}

size_t filter_n_running(const struct filter *filter)
{
    return filter->calls.n_given;
}

bool filter_is_done(const struct filter *filter)
{
    /* the input may end before the action has loaded */
    bool will_announce = filter->opts.announces && filter->pool == NULL && filter->why == NULL &&
                         !filter->stopped && filter->outlet.err.kind == ERR_NONE;

    return filter->inlet.ended && filter->calls.n == 0 && !will_announce;
}

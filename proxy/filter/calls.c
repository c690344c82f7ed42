#include "filter/calls.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/util.h"
#include "worker/contract.h"
#include "worker/part_form.h"
#include "worker/parts.h"

#define LINES_MAX 65536 /* bytes of parts of one call before more are left to the job */

void calls_init(struct calls *calls, const struct calls_opts *opts)
{
    memset(calls, 0, sizeof(*calls));
    calls->opts = *opts;
    list_init(&calls->all);
}

/* ---- one call ---- */

static struct call *call_at(const struct list *node)
{
    return list_item((struct list *)(uintptr_t)node, struct call, node);
}

static struct call *call_after(const struct calls *calls, const struct call *call)
{
    return call->node.next != &calls->all ? call_at(call->node.next) : NULL;
}

/* Move `next` to the first call from here on that is still to be given; refused lines may lie
 * between. */
static struct call *first_waiting(const struct calls *calls, struct call *call)
{
    while (call != NULL && call->ended)
        call = call_after(calls, call);
    return call;
}

static struct call *call_new(struct calls *calls, uint64_t end_at)
{
    struct call *call = xcalloc(1, sizeof(*call));

    call->calls = calls;
    call->end_at = end_at;
    call->job.done = calls->opts.done;
    call->job.on_parts = calls->opts.on_parts;
    list_init(&call->job.node);
    list_add_tail(&calls->all, &call->node);
    calls->n++;
    calls->line_bytes += sizeof(*call);
    return call;
}

static void drop_lines(struct calls *calls, struct call *call)
{
    calls->answer_bytes -= buf_len(&call->lines);
    buf_done(&call->lines);
}

static void call_free(struct calls *calls, struct call *call)
{
    assert(!call->given || call->ended);
    if (call->ended)
        calls->answer_bytes -= sizeof(*call) + call->len;
    else
        calls->line_bytes -= sizeof(*call) + call->job.len;
    if (calls->next == call)
        calls->next = first_waiting(calls, call_after(calls, call));
    drop_lines(calls, call);
    parts_free(&call->job);
    list_remove(&call->node);
    calls->n--;
    free(call->job.line);
    free(call->job.answer);
    free(call->text);
    free(call);
}

/* text: owned from now on. */
static void call_end(struct calls *calls, struct call *call, char *text, size_t n)
{
    assert(!call->ended);
    calls->line_bytes -= sizeof(*call) + call->job.len;
    free(TAKE(call->job.line));
    call->job.len = 0;
    call->ended = true;
    call->text = text;
    call->len = n;
    calls->answer_bytes += sizeof(*call) + n;
}

/* As a failed /run is answered. */
static void call_fail(struct calls *calls, struct call *call, const char *why)
{
    struct buf text = {0};

    json_add_error(&text, why);
    call_end(calls, call, text.bytes, buf_len(&text));
}

static void call_explain(struct calls *calls, struct call *call)
{
    char why[sizeof(call->job.reason) + 64];

    contract_explain(&call->job, calls->opts.answer_max_bytes, why, sizeof(why));
    free(TAKE(call->job.answer));
    call_fail(calls, call, why);
}

void calls_free(struct calls *calls)
{
    assert(calls->n_given == 0);
    while (calls->n > 0)
        call_free(calls, call_at(calls->all.next));
}

/* ---- in ---- */

/* Bytes of the members for a line: without the last comma where nothing follows. */
static size_t n_members(const char *members, struct json_slice top)
{
    size_t n = members != NULL ? strlen(members) : 0;
    struct json_slice name, value;
    size_t at = 0;

    return n > 0 && !json_next_member(top, &at, &name, &value) ? n - 1 : n;
}

void calls_add(struct calls *calls, const char *line, size_t n, uint64_t now_ms, uint64_t end_at)
{
    struct call *call = call_new(calls, end_at);
    struct job *job = &call->job;
    struct json_slice top;
    uint64_t asked_ms;
    char why[256];

    if (!contract_check(line, n, &top, why, sizeof(why))) {
        call_fail(calls, call, why);
        return;
    }
    if (calls->opts.wants_object && !contract_is_argument(top)) {
        call_fail(calls, call, CONTRACT_NO_OBJECT);
        return;
    }
    contract_set_line(job, top, calls->opts.members, n_members(calls->opts.members, top));
    calls->line_bytes += job->len;
    asked_ms = contract_asked_ms(top);
    job->limit_ms = calls->opts.run_ms;
    job->deadline_at_ms = JOB_BY_TURN;
    if (asked_ms > 0 && asked_ms < job->limit_ms) {
        job->limit_ms = asked_ms;
        job->deadline_at_ms = now_ms + asked_ms;
    }
    if (calls->next == NULL)
        calls->next = call;
}

void calls_add_too_long(struct calls *calls, uint64_t end_at)
{
    char why[96];

    (void)snprintf(why, sizeof(why), "The line is longer than %zu bytes (--run-max-bytes).",
                   calls->opts.line_max_bytes);
    call_fail(calls, call_new(calls, end_at), why);
}

/* ---- to the pool and back ---- */

struct job *calls_give(struct calls *calls)
{
    struct call *call = calls->next;

    if (call == NULL)
        return NULL;
    assert(!call->given && !call->ended);
    call->given = true;
    calls->n_given++;
    calls->next = first_waiting(calls, call_after(calls, call));
    return &call->job;
}

static void take_parts(struct calls *calls, struct call *call)
{
    size_t n = buf_len(&call->lines);

    part_form_parts(&part_lines, &call->lines, &call->job);
    calls->answer_bytes += buf_len(&call->lines) - n;
}

/* The answer, marked as they are. */
static void end_parts(struct calls *calls, struct call *call)
{
    struct buf text = {0};

    part_form_end(&part_lines, &text, &call->job, calls->opts.answer_max_bytes);
    free(TAKE(call->job.answer));
    call_end(calls, call, text.bytes, buf_len(&text) - 1); /* less its newline */
}

void calls_take_parts(struct calls *calls, struct job *job)
{
    struct call *call = container_of(job, struct call, job);

    if (!call->unwanted && buf_len(&call->lines) < LINES_MAX)
        take_parts(calls, call);
}

void calls_done(struct calls *calls, struct job *job)
{
    struct call *call = container_of(job, struct call, job);

    assert(call->given && calls->n_given > 0);
    calls->n_given--;
    if (job->on_parts != NULL && !call->unwanted) {
        take_parts(calls, call);
        end_parts(calls, call);
    } else if (contract_is_answered(job)) {
        call_end(calls, call, TAKE(job->answer), job->answer_len);
    } else {
        call_explain(calls, call);
    }
    if (call->unwanted)
        call_free(calls, call);
}

void calls_abandon(struct calls *calls)
{
    while (calls->next != NULL) {
        struct call *call = calls->next;

        calls->next = first_waiting(calls, call_after(calls, call));
        call->job.outcome = JOB_ABANDONED;
        call_explain(calls, call);
    }
}

/* ---- out ---- */

int calls_answers(const struct calls *calls, struct iovec *pieces, int max)
{
    static char newline[] = "\n";
    size_t skip = calls->written;
    int n = 0;

    list_each(node, &calls->all) {
        const struct call *call = call_at(node);

        if (n + 2 + (buf_len(&call->lines) > 0) > max)
            break;
        if (buf_len(&call->lines) > 0)
            pieces[n++] =
                (struct iovec){call->lines.bytes + call->lines.start, buf_len(&call->lines)};
        if (!call->ended)
            break;
        assert(skip <= call->len);
        if (skip < call->len)
            pieces[n++] = (struct iovec){call->text + skip, call->len - skip};
        pieces[n++] = (struct iovec){newline, 1};
        skip = 0;
    }
    return n;
}

/* Returns how many of n bytes that were written are parts. */
static size_t wrote_lines(struct calls *calls, struct call *call, size_t n)
{
    n = n < buf_len(&call->lines) ? n : buf_len(&call->lines);
    if (n == 0)
        return 0;
    buf_drop(&call->lines, n);
    calls->answer_bytes -= n;
    if (!call->ended)
        calls_take_parts(calls, &call->job);
    return n;
}

void calls_wrote(struct calls *calls, size_t n)
{
    while (n > 0) {
        struct call *call;
        size_t left;

        assert(calls->n > 0);
        call = call_at(calls->all.next);
        n -= wrote_lines(calls, call, n);
        if (n == 0)
            return;
        assert(call->ended);
        left = call->len + 1 - calls->written;
        if (n < left) {
            calls->written += n;
            return;
        }
        n -= left;
        calls->written = 0;
        call_free(calls, call);
    }
}

void calls_drop(struct calls *calls, uint64_t up_to)
{
    struct list *next;

    calls->written = 0;
    for (struct list *node = calls->all.next; node != &calls->all; node = next) {
        struct call *call = call_at(node);

        next = node->next;
        if (call->end_at > up_to)
            break;
        if (call->given && !call->ended) {
            call->unwanted = true;
            drop_lines(calls, call);
            if (call->job.on_parts != NULL)
                job_cancel(&call->job);
        } else {
            call_free(calls, call);
        }
    }
}

#include "filter/calls.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/util.h"
#include "worker/contract.h"

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
    list_init(&call->job.node);
    list_add_tail(&calls->all, &call->node);
    calls->n++;
    calls->line_bytes += sizeof(*call);
    return call;
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

void calls_done(struct calls *calls, struct job *job)
{
    struct call *call = container_of(job, struct call, job);

    assert(call->given && calls->n_given > 0);
    calls->n_given--;
    if (contract_is_answered(job)) {
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

        if (!call->ended || n + 2 > max)
            break;
        assert(skip <= call->len);
        if (skip < call->len)
            pieces[n++] = (struct iovec){call->text + skip, call->len - skip};
        pieces[n++] = (struct iovec){newline, 1};
        skip = 0;
    }
    return n;
}

void calls_wrote(struct calls *calls, size_t n)
{
    while (n > 0) {
        struct call *call;
        size_t left;

        assert(calls->n > 0);
        call = call_at(calls->all.next);
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
        if (call->given && !call->ended)
            call->unwanted = true;
        else
            call_free(calls, call);
    }
}

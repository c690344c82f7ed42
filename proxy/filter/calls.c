#include "filter/calls.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "worker/contract.h"
#include "worker/part_form.h"
#include "worker/parts.h"

/* A part is a piece of an answer that comes before the answer's end. While this many bytes of a
 * call's parts wait to be written, the call takes no more parts from its job. */
#define LINES_MAX 65536

void calls_init(struct calls *calls, const struct calls_opts *opts)
{
    assert(opts->done != NULL);
    memset(calls, 0, sizeof(*calls));
    calls->opts = *opts;
    list_init(&calls->all);
    list_init(&calls->leaving);
}

/* ---- one call ---- */

static struct call *call_at(const struct list *node)
{
    return list_item((struct list *)(uintptr_t)node, struct call, node);
}

static struct call *leaving_at(const struct list *node)
{
    return list_item((struct list *)(uintptr_t)node, struct call, leaving);
}

static struct call *call_after(const struct calls *calls, const struct call *call)
{
    return call->node.next != &calls->all ? call_at(call->node.next) : NULL;
}

/* Starting at `call`, find the first call that can be given to the pool. Calls that have ended,
 * such as refused lines, are skipped. NULL: there is none. */
static struct call *first_waiting(const struct calls *calls, struct call *call)
{
    while (call != NULL && call->ended)
        call = call_after(calls, call);
    return call;
}

/* Starting at `call`, find the first call without an id: such calls are answered in the order of
 * their lines. NULL: there is none. */
static struct call *first_in_order(const struct calls *calls, struct call *call)
{
    while (call != NULL && call->id != NULL)
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
    call->job.takes_any_result = calls->opts.form != CALL_BODY;
    list_init(&call->job.node);
    list_init(&call->leaving);
    list_add_tail(&calls->all, &call->node);
    calls->n++;
    calls->line_bytes += sizeof(*call);
    return call;
}

static void drop_lines(struct calls *calls, struct call *call)
{
    assert(calls->answer_bytes >= buf_len(&call->lines));
    calls->answer_bytes -= buf_len(&call->lines);
    buf_done(&call->lines);
}

static void call_free(struct calls *calls, struct call *call)
{
    assert(!call->given || call->ended);
    assert(calls->n > 0);
    if (call->ended) {
        assert(calls->answer_bytes >= sizeof(*call) + call->len);
        calls->answer_bytes -= sizeof(*call) + call->len;
    } else {
        assert(calls->line_bytes >= sizeof(*call) + call->job.len);
        calls->line_bytes -= sizeof(*call) + call->job.len;
    }
    if (calls->next == call)
        calls->next = first_waiting(calls, call_after(calls, call));
    if (calls->head == call)
        calls->head = first_in_order(calls, call_after(calls, call));
    drop_lines(calls, call);
    parts_free(&call->job);
    list_remove(&call->node);
    list_remove(&call->leaving);
    calls->n--;
    free(call->id);
    free(call->job.line);
    free(call->job.answer);
    free(call->text);
    free(call);
}

/* End a call with the answer text[0 .. n). text: taken over. */
static void call_end(struct calls *calls, struct call *call, char *text, size_t n)
{
    assert(!call->ended);
    assert(calls->line_bytes >= sizeof(*call) + call->job.len);
    calls->line_bytes -= sizeof(*call) + call->job.len;
    free(TAKE(call->job.line));
    call->job.len = 0;
    call->ended = true;
    call->text = text;
    call->len = n;
    calls->answer_bytes += sizeof(*call) + n;
}

static void call_fail(struct calls *calls, struct call *call, enum error_kind kind, const char *why)
{
    struct buf text = {0};

    contract_add_error(&text, kind, why);
    call_end(calls, call, text.bytes, buf_len(&text));
}

static void call_explain(struct calls *calls, struct call *call)
{
    char why[sizeof(call->job.reason) + 64];

    contract_explain(&call->job, calls->opts.answer_max_bytes, why, sizeof(why));
    free(TAKE(call->job.answer));
    call->silent = calls->opts.is_bare;
    call_fail(calls, call, outcome_of(call->job.outcome)->kind, why);
}

/* End a call with the answer that the action gave to the call's job. error: the answer's member
 * "error", from contract_read_answer(); of kind JSON_BAD if there is none. */
static void call_answer(struct calls *calls, struct call *call, struct json_slice error)
{
    struct job *job = &call->job;
    bool is_error = !calls->opts.is_bare && contract_kind_of_answer(job, error) != ERROR_KIND_NONE;
    struct buf text = {0};

    assert(job->answer != NULL);
    if (is_error) {
        contract_add_answer(&text, job, error);
    } else if (calls->opts.form == CALL_TEXT) {
        call->silent = !call_line_result(&text, job->answer, job->answer_len);
    } else {
        call_end(calls, call, TAKE(job->answer), job->answer_len);
        return;
    }
    free(TAKE(job->answer));
    call_end(calls, call, text.bytes, buf_len(&text));
}

/* ---- which call is written next ---- */

static void leave(struct calls *calls, struct call *call)
{
    if (list_empty(&call->leaving) && (call->ended || buf_len(&call->lines) > 0))
        list_add_tail(&calls->leaving, &call->leaving);
}

/* Go through the calls without an id, in the order of their lines. Queue the answers of ended
 * calls. At the first call that has not ended, queue the parts of its answer that have come, and
 * stop. */
static void offer_head(struct calls *calls)
{
    struct call *call;

    while ((call = calls->head) != NULL && call->ended) {
        calls->head = first_in_order(calls, call_after(calls, call));
        if (call->silent)
            call_free(calls, call);
        else
            leave(calls, call);
    }
    assert(call == NULL || call->id == NULL);
    if (call != NULL)
        leave(calls, call);
}

/* Queue what this call has to write, unless calls before it must be written first. May free the
 * call. */
static void offer(struct calls *calls, struct call *call)
{
    if (call->id != NULL)
        leave(calls, call);
    else
        offer_head(calls);
}

void calls_free(struct calls *calls)
{
    assert(calls->n_given == 0);
    while (calls->n > 0)
        call_free(calls, call_at(calls->all.next));
    assert(list_empty(&calls->all));
    assert(list_empty(&calls->leaving));
    assert(calls->line_bytes == 0);
    assert(calls->answer_bytes == 0);
}

/* ---- lines in ---- */

static void set_id(struct call *call, const struct call_line *line)
{
    if (line->id == NULL)
        return;
    assert(call->id == NULL);
    call->n_id = line->n_id + 2;
    call->id = xasprintf("[%.*s,", (int)line->n_id, line->id);
}

/* Call this after the job's line was set: from then on, the job may be given to the pool. */
static void make_ready(struct calls *calls, struct call *call)
{
    assert(call->job.line != NULL);
    assert(!call->given);
    calls->line_bytes += call->job.len;
    call->job.limit_ms = calls->opts.run_ms;
    call->job.deadline_at_ms = JOB_BY_TURN;
    if (calls->next == NULL)
        calls->next = call;
}

/* A deadline that had passed before we began is ignored, as by /run: the line may be a recorded
 * one. If it has passed since, the call must not begin. */
static void set_line(struct calls *calls, struct call *call, const struct contract_body *body,
                     uint64_t now_ms)
{
    struct job *job = &call->job;
    const char *members = calls->opts.members;
    bool has_deadline;
    int64_t left_ms;

    assert(calls->opts.began_at_ms <= now_ms);
    has_deadline = !calls->opts.no_deadlines && contract_left_ms(body, &left_ms);
    if (has_deadline && left_ms <= 0 && (uint64_t)-left_ms < now_ms - calls->opts.began_at_ms) {
        call_fail(calls, call, ERROR_KIND_LATE, "The deadline passed before the line was read.");
        return;
    }
    contract_set_line(job, body->top, members, members != NULL ? strlen(members) : 0);
    make_ready(calls, call);
    if (has_deadline && left_ms > 0 && (uint64_t)left_ms < job->limit_ms) {
        job->limit_ms = (uint64_t)left_ms;
        job->deadline_at_ms = now_ms + (uint64_t)left_ms;
    }
}

void calls_add(struct calls *calls, const char *text, size_t n, uint64_t now_ms, uint64_t end_at)
{
    struct call *call = call_new(calls, end_at);
    struct call_line line;
    char why[256];
    bool is_good = call_line_read(&line, calls->opts.form, text, n, why, sizeof(why));

    set_id(call, &line);
    if (calls->head == NULL)
        calls->head = first_in_order(calls, call);
    if (!is_good)
        call_fail(calls, call, ERROR_KIND_REQUEST, why);
    else if (calls->opts.wants_object && !contract_is_argument(line.body.top))
        call_fail(calls, call, ERROR_KIND_REQUEST, CONTRACT_NO_OBJECT);
    else
        set_line(calls, call, &line.body, now_ms);
    call_line_done(&line);
    offer(calls, call);
}

void calls_add_too_long(struct calls *calls, uint64_t end_at)
{
    struct call *call = call_new(calls, end_at);
    char why[96];

    (void)snprintf(why, sizeof(why), "The line is longer than %zu bytes (--run-max-bytes).",
                   calls->opts.line_max_bytes);
    call_fail(calls, call, ERROR_KIND_REQUEST, why);
    if (calls->head == NULL)
        calls->head = call;
    offer(calls, call);
}

void calls_add_made(struct calls *calls, char *line, size_t n)
{
    struct call *call = call_new(calls, 0);

    call->job.line = line;
    call->job.len = n;
    make_ready(calls, call);
    if (calls->head == NULL)
        calls->head = call;
}

void calls_say(struct calls *calls, struct buf *text)
{
    struct call *call = call_new(calls, 0);

    assert(text->start == 0);
    call_end(calls, call, text->bytes, buf_len(text));
    leave(calls, call);
    *text = (struct buf){0};
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
    char part[CALL_ID_MAX + 32];
    struct part_form form = {.part = part, .part_end = "}]\n"};

    if (call->id == NULL) {
        form = part_lines;
    } else {
        assert(call->n_id < CALL_ID_MAX + 3);
        (void)snprintf(part, sizeof(part), "%s%s", call->id, part_lines.part);
    }
    part_form_parts(&form, &call->lines, &call->job);
    assert(buf_len(&call->lines) >= n);
    calls->answer_bytes += buf_len(&call->lines) - n;
}

/* End a call whose answer is written in parts, one line for each part. This adds the last line,
 * {"result":…} or {"error":…}. */
static void end_parts(struct calls *calls, struct call *call)
{
    struct buf text = {0};

    part_form_end(&part_lines, &text, &call->job, calls->opts.answer_max_bytes);
    free(TAKE(call->job.answer));
    assert(buf_len(&text) > 0);
    assert(text.bytes[text.end - 1] == '\n');
    call_end(calls, call, text.bytes, buf_len(&text) - 1); /* `text` without its newline */
}

void calls_take_parts(struct calls *calls, struct job *job)
{
    struct call *call = container_of(job, struct call, job);

    assert(call->given);
    assert(!call->ended);
    if (!call->unwanted && buf_len(&call->lines) < LINES_MAX)
        take_parts(calls, call);
    offer(calls, call);
}

void calls_done(struct calls *calls, struct job *job)
{
    struct call *call = container_of(job, struct call, job);
    struct json_slice error;

    assert(call->given && calls->n_given > 0);
    calls->n_given--;
    if (job->on_parts != NULL && !call->unwanted) {
        take_parts(calls, call);
        end_parts(calls, call);
    } else if (contract_read_answer(job, &error)) {
        call_answer(calls, call, error);
    } else {
        call_explain(calls, call);
    }
    if (!call->unwanted) {
        offer(calls, call);
        return;
    }
    call_free(calls, call);
    offer_head(calls);
}

void calls_abandon(struct calls *calls, const char *why)
{
    while (calls->next != NULL) {
        struct call *call = calls->next;

        calls->next = first_waiting(calls, call_after(calls, call));
        assert(!call->given);
        call->job.outcome = why != NULL ? JOB_UNSTARTED : JOB_ABANDONED;
        (void)snprintf(call->job.reason, sizeof(call->job.reason), "%s", why != NULL ? why : "");
        call_explain(calls, call);
        offer(calls, call);
    }
}

/* ---- answers out ---- */

/* Split a finished answer into pieces, but leave out its first *skip bytes, which were written
 * before. Sets *skip to 0. Returns the number of pieces. */
static int end_pieces(const struct call *call, struct iovec *pieces, size_t *skip)
{
    static char bracket[] = "]\n";
    static char newline[] = "\n";
    const struct iovec all[] = {
        {call->id, call->n_id},
        {call->text, call->len},
        {call->id != NULL ? bracket : newline, call->id != NULL ? 2 : 1},
    };
    int n = 0;

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        size_t skipped = *skip < all[i].iov_len ? *skip : all[i].iov_len;

        *skip -= skipped;
        if (skipped < all[i].iov_len)
            pieces[n++] =
                (struct iovec){(char *)all[i].iov_base + skipped, all[i].iov_len - skipped};
    }
    assert(n > 0); /* at least the newline is not written yet */
    assert(*skip == 0);
    return n;
}

int calls_answers(const struct calls *calls, struct iovec *pieces, int max)
{
    size_t skip = calls->written;
    int n = 0;

    list_each(node, &calls->leaving) {
        const struct call *call = leaving_at(node);
        bool has_lines = buf_len(&call->lines) > 0;

        if (n + has_lines + (call->id != NULL ? 3 : 2) > max)
            break;
        if (has_lines)
            pieces[n++] =
                (struct iovec){call->lines.bytes + call->lines.start, buf_len(&call->lines)};
        if (call->ended)
            n += end_pieces(call, pieces + n, &skip);
    }
    assert(n <= max);
    return n;
}

/* Call this after n bytes were written, of which the first came from call->lines. Removes these
 * from call->lines, and returns their number. */
static size_t wrote_lines(struct calls *calls, struct call *call, size_t n)
{
    n = n < buf_len(&call->lines) ? n : buf_len(&call->lines);
    if (n == 0)
        return 0;
    assert(calls->answer_bytes >= n);
    buf_drop(&call->lines, n);
    calls->answer_bytes -= n;
    /* Queue this call's next parts at the end of calls->leaving: other calls write first. */
    if (!call->ended && buf_len(&call->lines) == 0) {
        list_remove(&call->leaving);
        calls_take_parts(calls, &call->job);
    }
    return n;
}

void calls_wrote(struct calls *calls, size_t n)
{
    while (n > 0) {
        struct call *call;
        size_t n_all, left;

        assert(!list_empty(&calls->leaving));
        call = leaving_at(calls->leaving.next);
        n -= wrote_lines(calls, call, n);
        if (n == 0 || !call->ended)
            continue;
        n_all = call->n_id + call->len + (call->id != NULL ? 2 : 1);
        assert(calls->written < n_all); /* a call is freed once it is written whole */
        left = n_all - calls->written;
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
            list_remove(&call->leaving);
            if (call->job.on_parts != NULL)
                job_cancel(&call->job);
        } else {
            call_free(calls, call);
        }
    }
    offer_head(calls);
}

#include "dev/journal.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/usage.h"
#include "base/util.h"
#include "dev/text.h"
#include "http/request.h"
#include "http/versions.h"
#include "worker/contract.h"
#include "worker/parts.h"

#define SAID_MAX_BYTES  16384
#define MEMORY_FRESH_US 100000 /* memory use read from /proc is taken as current for this time */

#define JOURNAL_CLIENT_LEFT 499 /* nginx's HTTP status for a client that left before the reply */

static void start_ticking(struct journal *journal)
{
    if (!loop_timer_is_set(&journal->tick))
        loop_timer_set(journal->loop, &journal->tick,
                       loop_now_ms(journal->loop) + JOURNAL_BATCH_MS);
}

/* ---- log lines ---- */

static void flush_batch(struct journal *journal, struct journal_batch *batch)
{
    auto_buf struct buf data = {0};

    assert((batch->n == 0) == (buf_len(&batch->items) == 0));
    if (batch->n == 0)
        return;
    buf_add_text(&data, "[");
    buf_add(&data, buf_at(&batch->items), buf_len(&batch->items) - 1);
    buf_add_text(&data, "]");
    events_add(&journal->events, batch->event, buf_at(&data), buf_len(&data), batch->n);
    buf_reset(&batch->items, JOURNAL_BATCH_MAX_BYTES);
    batch->n = 0;
}

static void flush_all(struct journal *journal)
{
    flush_batch(journal, &journal->lines);
    flush_batch(journal, &journal->parts);
}

/* Call after adding an item (a log line or an answer part) to the batch. A full batch is sent at
 * once, so no item is dropped here. If events.c has too many events to keep, it drops the oldest
 * ones, since the newest tell the most. */
static void note_item(struct journal *journal, struct journal_batch *batch)
{
    assert(buf_len(&batch->items) > 0);
    batch->n++;
    if (buf_len(&batch->items) >= JOURNAL_BATCH_MAX_BYTES)
        flush_batch(journal, batch);
    else
        start_ticking(journal);
}

static void write_item(struct buf *out, const struct activation *a, const char *stream,
                       const char *text, size_t n, uint64_t now_ms)
{
    if (a != NULL)
        text_add(out, "{\"activation\":\"%s\"", a->id);
    else
        buf_add_text(out, "{\"activation\":null");
    text_add(out, ",\"stream\":\"%s\",\"text\":", stream);
    json_quote(out, text, n);
    text_add(out, ",\"time\":%" PRIu64 "},", now_ms);
}

static void keep_of_load(struct journal *journal, const char *text, size_t n)
{
    assert(journal->is_loading);
    buf_add(&journal->said, text, n);
    buf_add_text(&journal->said, "\n");
    if (buf_len(&journal->said) > 2 * SAID_MAX_BYTES)
        buf_drop(&journal->said, buf_len(&journal->said) - SAID_MAX_BYTES);
}

/* Record one log line in the history, and pass it to the terminal and the pages. text[0 .. n): the
 * line without its newline. is_of_load: a version wrote the line while it loaded; the terminal
 * shows it only when the load has ended. */
static void take_line(struct journal *journal, const char *stream, struct activation *a,
                      bool is_of_load, const char *text, size_t n, uint64_t now_ms)
{
    assert(!is_of_load || a == NULL);
    assert(n <= JOURNAL_LINE_MAX_BYTES);
    if (n > 0 && text[n - 1] == '\r')
        n--;
    if (is_of_load)
        keep_of_load(journal, text, n);
    else
        terminal_log(&journal->terminal, a, stream, text, n);
    if (a != NULL) {
        if (buf_len(&a->log) < ACTIVATION_TEXT_MAX_BYTES)
            write_item(&a->log, a, stream, text, n, now_ms);
        else
            a->log_cut = true;
    }
    write_item(&journal->lines.items, a, stream, text, n, now_ms);
    note_item(journal, &journal->lines);
}

static void take_lines(struct journal_stream *stream, const void *owner, const char *bytes,
                       size_t n)
{
    struct journal *journal = stream->journal;
    pid_t pid = owner != NULL ? versions_writer(journal->service, owner) : 0;
    struct activation *a = activations_of_process(&journal->activations, pid);
    bool is_of_load = pid == 0 && journal->is_loading;
    uint64_t now_ms = text_now_ms();

    while (n > 0) {
        const char *newline = memchr(bytes, '\n', n);
        size_t n_line = newline != NULL ? (size_t)(newline - bytes) : n;
        size_t room = JOURNAL_LINE_MAX_BYTES - buf_len(&stream->line);

        buf_add(&stream->line, bytes, n_line < room ? n_line : room);
        if (newline != NULL) {
            take_line(journal, stream->name, a, is_of_load, buf_at(&stream->line),
                      buf_len(&stream->line), now_ms);
            buf_reset(&stream->line, JOURNAL_LINE_MAX_BYTES);
        }
        n_line += newline != NULL;
        bytes += n_line;
        n -= n_line;
    }
    assert(buf_len(&stream->line) <= JOURNAL_LINE_MAX_BYTES);
}

static void on_bytes(struct output_tap *tap, const void *owner, const char *bytes, size_t n)
{
    struct journal_stream *stream = container_of(tap, struct journal_stream, tap);
    const struct user_names *names = &stream->journal->service->names;
    auto_buf struct buf named = {0};

    /* In stderr, http/init.c has already replaced our file names by the user's own names. */
    if (names->dir == NULL || stream == &stream->journal->err) {
        take_lines(stream, owner, bytes, n);
        return;
    }
    user_names_put(names, bytes, n, &named);
    take_lines(stream, owner, buf_at(&named), buf_len(&named));
}

/* ---- activations ---- */

static void tell_activation(struct journal *journal, struct activation *a)
{
    auto_buf struct buf data = {0};

    activation_write(a, &data);
    journal_tell(journal, "activation", &data);
}

static void on_tick(struct loop_timer *timer)
{
    struct journal *journal = container_of(timer, struct journal, tick);
    uint64_t now_us = loop_now_us(journal->loop);
    bool any_young = false;

    list_each(node, &journal->activations.all) {
        struct activation *a = list_item(node, struct activation, node);

        if (a->status != ACTIVATION_RUNNING)
            continue;
        if (!a->is_told) {
            a->is_told = true;
            tell_activation(journal, a);
        }
        assert(a->job != NULL);
        if (now_us - a->began_us > TERMINAL_HOLD_MS * 1000 && a->job->given_at_us == 0)
            terminal_show_waiting(&journal->terminal, a);
        else if (now_us - a->began_us > TERMINAL_HOLD_MS * 1000)
            terminal_show(&journal->terminal, a);
        any_young = any_young || !a->is_shown;
    }
    flush_all(journal);
    if (any_young && !journal->terminal.is_json)
        start_ticking(journal);
}

static void on_part(struct job_tap *tap, const struct job *job, const char *text, size_t n)
{
    struct journal *journal = container_of(tap, struct journal, tap);
    struct activation *a = activations_of_job(&journal->activations, job);
    struct buf *items = &journal->parts.items;

    if (a == NULL)
        return;
    activations_part(a, text, n, loop_now_us(journal->loop));
    if (a->n_parts == 1) { /* the pages must know the activation before its first answer part */
        a->is_told = true;
        tell_activation(journal, a);
    }
    text_add(items, "{\"activation\":\"%s\",\"part\":", a->id);
    if (n <= JOURNAL_PART_MAX_BYTES)
        buf_add(items, text, n);
    else
        text_add(items, "\"... %zu bytes, too many to be shown\"", n);
    buf_add_text(items, "},");
    note_item(journal, &journal->parts);
}

struct activation *journal_begin(struct journal *journal, struct job *job)
{
    struct activation *a =
        activations_begin(&journal->activations, job, journal->version, loop_now_us(journal->loop));

    assert(job->tap == NULL);
    job->tap = &journal->tap;
    start_ticking(journal);
    return a;
}

static uint64_t memory_of(struct journal *journal, pid_t pid)
{
    struct usage_cache *memory = &journal->memory;
    uint64_t now_us = loop_now_us(journal->loop);
    struct usage usage = {0};

    if (pid == 0)
        return 0;
    if (memory->pid != pid || now_us - memory->at_us > MEMORY_FRESH_US) {
        *memory = (struct usage_cache){.pid = pid, .at_us = now_us};
        if (usage_add(&usage, pid))
            memory->bytes = usage.memory_bytes;
    }
    return memory->bytes;
}

static void note_job_ended(struct journal *journal, struct activation *a, const struct job *job)
{
    char reason[sizeof(job->reason)] = "";

    assert(a->job == job);
    assert(a->status == ACTIVATION_RUNNING);
    if (!contract_is_answered(job))
        contract_say_more(job, reason, sizeof(reason));
    buf_add_text(&a->reason, reason);
    a->status = activation_judge(job);
    a->memory_bytes = memory_of(journal, job->worker);
    a->job = NULL;
}

static void end(struct journal *journal, struct activation *a, int http, const char *answer,
                size_t n)
{
    activations_end(&journal->activations, a, http, answer, n, loop_now_us(journal->loop));
    terminal_end(&journal->terminal, a);
    tell_activation(journal, a);
}

void journal_end_by_job(struct journal *journal, struct activation *a, const struct job *job,
                        struct buf *answer)
{
    bool is_answered = contract_is_answered(job);
    int http = is_answered && !job->failed ? 200 : 502;
    char text[512];

    if (is_answered) {
        buf_add(answer, job->answer, job->answer_len);
    } else {
        contract_explain(job, journal->service->opts.pool.worker.answer_max_bytes, text,
                         sizeof(text));
        json_add_error(answer, text);
    }
    if (job->parts != NULL && job->on_parts != NULL)
        http = 200; /* the status that was sent with the first part */
    if (parts_client_left(job))
        http = JOURNAL_CLIENT_LEFT;
    note_job_ended(journal, a, job);
    end(journal, a, http, buf_at(answer), buf_len(answer));
}

/* Keep the value of the header X-Whiskloop-Call: a name that the web page gave to its request. By
 * this name the page finds the activation before the answer comes. */
static void take_call(struct activation *a, const struct request *request)
{
    static const struct span name = {"x-whiskloop-call", 16};
    struct span call = {0};

    if (!request_headers(request, &name, 1, &call) || call.text == NULL ||
        call.n > ACTIVATION_CALL_MAX_BYTES)
        return;
    for (size_t i = 0; i < call.n; i++)
        if (!isalnum((unsigned char)call.text[i]))
            return;
    assert(a->call[0] == '\0');
    memcpy(a->call, call.text, call.n);
}

static void on_begun(struct run_observer *observer, struct request *request, struct job *job)
{
    struct journal *journal = container_of(observer, struct journal, observer);

    take_call(journal_begin(journal, job), request);
}

static void on_ended(struct run_observer *observer, struct request *request, const struct job *job)
{
    struct journal *journal = container_of(observer, struct journal, observer);
    struct activation *a = activations_of_job(&journal->activations, job);
    auto_buf struct buf answer = {0};

    (void)request;
    assert(journal->ended == NULL);           /* journal_end_replied() has cleared `ended` */
    if (a != NULL && job->on_parts != NULL) { /* nothing else records the end of a reply in parts */
        journal_end_by_job(journal, a, job, &answer);
        a = NULL;
    } else if (a != NULL) {
        note_job_ended(journal, a, job);
    }
    journal->ended = a;
}

struct activation *journal_end_replied(struct journal *journal, int http, const char *answer,
                                       size_t n)
{
    struct activation *a = TAKE(journal->ended);

    if (a != NULL)
        end(journal, a, http, answer, n);
    return a;
}

/* ---- public functions ---- */

static void open_stream(struct journal *journal, struct journal_stream *stream, const char *name,
                        struct output *output)
{
    assert(output->instead == NULL);
    *stream = (struct journal_stream){.tap = {on_bytes}, .journal = journal, .name = name};
    output->unmarked = true;
    output->instead = &stream->tap;
}

void journal_init(struct journal *journal, struct service *service, bool is_json)
{
    assert(service->observer == NULL);
    memset(journal, 0, sizeof(*journal));
    journal->loop = service->loop;
    journal->service = service;
    events_init(&journal->events, service->loop);
    activations_init(&journal->activations);
    terminal_init(&journal->terminal, service->loop, is_json);
    open_stream(journal, &journal->out, "stdout", service->out);
    open_stream(journal, &journal->err, "stderr", service->err);
    journal->observer = (struct run_observer){.begun = on_begun, .ended = on_ended};
    service->observer = &journal->observer;
    journal->tap.part = on_part;
    journal->lines.event = "log";
    journal->parts.event = "parts";
    loop_timer_init(&journal->tick, on_tick);
}

void journal_done(struct journal *journal, int wait_ms)
{
    assert(journal->service->observer == &journal->observer);
    journal->service->observer = NULL;
    journal->service->out->instead = journal->service->err->instead = NULL;
    loop_timer_clear(&journal->tick);
    terminal_done(&journal->terminal, wait_ms);
    activations_done(&journal->activations);
    events_done(&journal->events);
    buf_done(&journal->out.line);
    buf_done(&journal->err.line);
    buf_done(&journal->lines.items);
    buf_done(&journal->parts.items);
    buf_done(&journal->said);
}

void journal_set_loading(struct journal *journal, bool is_loading)
{
    journal->is_loading = is_loading;
    if (is_loading)
        buf_reset(&journal->said, 0);
}

void journal_tell(struct journal *journal, const char *name, const struct buf *data)
{
    flush_all(journal);
    events_add(&journal->events, name, buf_at(data), buf_len(data), 1);
}

#include "dev/activations.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/util.h"
#include "dev/text.h"
#include "worker/contract.h"
#include "worker/job.h"

#define ID_STEP           0x9e3779b1u /* step between 24-bit ids; odd: 2^24 ids in a row differ */
#define RUNNING_SHOWN_MAX 5

void activations_init(struct activations *all)
{
    *all = (struct activations){.id_base = (uint32_t)text_now_ms()};
    list_init(&all->all);
}

static size_t size_of(const struct activation *a)
{
    return buf_len(&a->argument) + buf_len(&a->metadata) + buf_len(&a->answer) +
           buf_len(&a->reason) + buf_len(&a->log) + buf_len(&a->parts);
}

static void forget(struct activations *all, struct activation *a)
{
    assert(all->n > 0);
    list_remove(&a->node);
    all->n--;
    buf_done(&a->argument);
    buf_done(&a->metadata);
    buf_done(&a->answer);
    buf_done(&a->reason);
    buf_done(&a->log);
    buf_done(&a->parts);
    buf_done(&a->lines);
    free(a);
}

void activations_done(struct activations *all)
{
    struct list *node;

    while ((node = list_take_first(&all->all)) != NULL)
        forget(all, list_item(node, struct activation, node));
    assert(all->n == 0);
}

/* Forget the oldest activations that have ended, until the remaining ones are within
 * ACTIVATIONS_MAX and ACTIVATIONS_MAX_BYTES. Running activations stay. */
static void make_room(struct activations *all)
{
    struct list *node = all->all.next;

    while (node != &all->all &&
           (all->n > ACTIVATIONS_MAX || all->n_bytes > ACTIVATIONS_MAX_BYTES)) {
        struct activation *a = list_item(node, struct activation, node);

        node = node->next;
        if (a->http == 0)
            continue;
        assert(all->n_bytes >= size_of(a));
        all->n_bytes -= size_of(a);
        forget(all, a);
    }
}

static void keep(struct buf *to, const char *text, size_t n)
{
    if (n > 0 && n <= ACTIVATION_TEXT_MAX_BYTES)
        json_compact(to, json_top(text, n));
}

/* Keep the member "value" of the job's line as the argument, and its other members as the
 * metadata. */
static void take_line(struct activation *a, const struct job *job)
{
    struct json_slice top = json_top(job->line, job->len);
    struct json_slice key, value;
    size_t at = 0;

    assert(top.kind == JSON_OBJECT);
    assert(buf_len(&a->argument) == 0);
    buf_add_text(&a->argument, "{}");
    a->argument_bytes = 2;
    while (json_next_member(top, &at, &key, &value)) {
        if (json_equals(key, "value")) {
            a->argument_bytes = value.n;
            buf_reset(&a->argument, 0);
            keep(&a->argument, value.text, value.n);
        } else if (buf_len(&a->metadata) + key.n + value.n < ACTIVATION_TEXT_MAX_BYTES) {
            buf_add(&a->metadata, key.text, key.n);
            buf_add_text(&a->metadata, ":");
            json_compact(&a->metadata, value);
            buf_add_text(&a->metadata, ",");
        }
    }
}

struct activation *activations_begin(struct activations *all, const struct job *job,
                                     unsigned version, uint64_t now_us)
{
    struct activation *a = xcalloc(1, sizeof(*a));

    (void)snprintf(a->id, sizeof(a->id), "%06x",
                   (all->id_base + ID_STEP * all->n_ever++) & 0xffffffu);
    a->version = version;
    a->started_ms = text_now_ms();
    a->began_us = now_us;
    a->job = job;
    take_line(a, job);
    list_add_tail(&all->all, &a->node);
    all->n++;
    make_room(all);
    return a;
}

struct activation *activations_of_job(const struct activations *all, const struct job *job)
{
    assert(job != NULL);
    list_each(node, &all->all) {
        struct activation *a = list_item(node, struct activation, node);

        if (a->job == job)
            return a;
    }
    return NULL;
}

struct activation *activations_of_process(const struct activations *all, pid_t pid)
{
    list_each(node, &all->all) {
        struct activation *a = list_item(node, struct activation, node);

        if (a->job != NULL && pid != 0 && a->job->worker == pid)
            return a;
    }
    return NULL;
}

void activations_add_running(const struct activations *all, struct buf *out)
{
    unsigned n = 0;

    list_each(node, &all->all) {
        const struct activation *a = list_item(node, struct activation, node);

        if (a->status != ACTIVATION_RUNNING || n > RUNNING_SHOWN_MAX)
            continue;
        buf_add_text(out, n == 0 ? " (" : ", ");
        buf_add_text(out, n < RUNNING_SHOWN_MAX ? a->id : "...");
        n++;
    }
    if (n > 0)
        buf_add_text(out, ")");
}

struct activation *activations_find(const struct activations *all, const char *id, size_t n)
{
    list_each(node, &all->all) {
        struct activation *a = list_item(node, struct activation, node);

        if (strlen(a->id) == n && memcmp(a->id, id, n) == 0)
            return a;
    }
    return NULL;
}

enum activation_status activation_judge(const struct job *job)
{
    switch (job->outcome) {
    case JOB_ANSWERED:
        return contract_is_result(job) && !job->failed ? ACTIVATION_OK : ACTIVATION_ERROR;
    case JOB_LATE:
        return ACTIVATION_TIMEOUT;
    case JOB_PENDING:
    case JOB_TOO_LONG:
    case JOB_MALFORMED:
        return ACTIVATION_ERROR;
    case JOB_DIED:
    case JOB_STOPPED:
    case JOB_BYSTANDER:
    case JOB_EXHAUSTED:
    case JOB_UNSTARTED:
    case JOB_CANCELLED:
    case JOB_ABANDONED:
        return ACTIVATION_DIED;
    }
    return ACTIVATION_ERROR;
}

void activations_part(struct activation *a, const char *text, size_t n, uint64_t now_us)
{
    assert(a->status == ACTIVATION_RUNNING);
    if (a->n_parts++ == 0)
        a->first_part_us = now_us - a->began_us;
    if (buf_len(&a->parts) + n >= ACTIVATION_TEXT_MAX_BYTES)
        a->parts_cut = true;
    if (a->parts_cut)
        return;
    buf_add(&a->parts, text, n);
    buf_add_text(&a->parts, ",");
}

void activations_end(struct activations *all, struct activation *a, int http, const char *answer,
                     size_t n, uint64_t now_us)
{
    assert(a->job == NULL);
    assert(a->status != ACTIVATION_RUNNING);
    assert(a->http == 0);
    assert(http != 0);
    a->answer_bytes = n;
    a->duration_us = now_us - a->began_us;
    if (json_check(answer, n, NULL) != JSON_BAD)
        keep(&a->answer, answer, n);
    all->n_bytes += size_of(a);
    make_room(all);
    a->http = http; /* after make_room(), which may free any activation whose `http` is set */
}

const char *activation_status_name(enum activation_status status)
{
    static const char *const names[] = {
        [ACTIVATION_RUNNING] = "running", [ACTIVATION_OK] = "ok",     [ACTIVATION_ERROR] = "error",
        [ACTIVATION_TIMEOUT] = "timeout", [ACTIVATION_DIED] = "died",
    };

    assert(status < ARRAY_LEN(names));
    return names[status];
}

static void write_facts(const struct activation *a, struct buf *out)
{
    assert(a->http == 0 || a->status != ACTIVATION_RUNNING);
    text_add(out, "\"id\":\"%s\",\"version\":%u,\"status\":\"%s\",\"started\":%" PRIu64, a->id,
             a->version, activation_status_name(a->status), a->started_ms);
    text_add(out, ",\"argument_bytes\":%zu", a->argument_bytes);
    if (a->http == 0)
        buf_add_text(out, ",\"http\":null,\"duration_us\":null,\"answer_bytes\":null");
    else
        text_add(out, ",\"http\":%d,\"duration_us\":%" PRIu64 ",\"answer_bytes\":%zu", a->http,
                 a->duration_us, a->answer_bytes);
    if (a->memory_bytes > 0)
        text_add(out, ",\"memory_bytes\":%" PRIu64, a->memory_bytes);
    else
        buf_add_text(out, ",\"memory_bytes\":null");
    if (a->n_parts > 0)
        text_add(out, ",\"n_parts\":%u,\"first_part_us\":%" PRIu64, a->n_parts, a->first_part_us);
    if (buf_len(&a->reason) > 0) {
        buf_add_text(out, ",\"reason\":");
        json_quote(out, buf_at(&a->reason), buf_len(&a->reason));
    }
    if (a->call[0] != '\0')
        text_add(out, ",\"call\":\"%s\"", a->call);
}

void activation_write(const struct activation *a, struct buf *out)
{
    buf_add_text(out, "{");
    write_facts(a, out);
    buf_add_text(out, "}");
}

/* Append a list in which each item is followed by a comma, but leave out the last comma. */
static void add_list(struct buf *out, const struct buf *list)
{
    if (buf_len(list) == 0)
        return;
    assert(buf_at(list)[buf_len(list) - 1] == ',');
    buf_add(out, buf_at(list), buf_len(list) - 1);
}

static void add_or_null(struct buf *out, const struct buf *json)
{
    if (buf_len(json) > 0)
        buf_add(out, buf_at(json), buf_len(json));
    else
        buf_add_text(out, "null");
}

void activation_write_all(const struct activation *a, struct buf *out)
{
    bool has_ended = a->http != 0;

    buf_add_text(out, "{");
    write_facts(a, out);
    buf_add_text(out, ",\"argument\":");
    add_or_null(out, &a->argument);
    text_add(out, ",\"argument_truncated\":%s,\"metadata\":{",
             buf_len(&a->argument) == 0 ? "true" : "false");
    add_list(out, &a->metadata);
    buf_add_text(out, "},\"answer\":");
    add_or_null(out, &a->answer);
    text_add(out, ",\"answer_truncated\":%s,\"log\":[",
             has_ended && buf_len(&a->answer) == 0 ? "true" : "false");
    add_list(out, &a->log);
    text_add(out, "],\"log_truncated\":%s,\"parts\":[", a->log_cut ? "true" : "false");
    add_list(out, &a->parts);
    text_add(out, "],\"parts_truncated\":%s}", a->parts_cut ? "true" : "false");
}

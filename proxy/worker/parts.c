#include "worker/parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/util.h"
#include "worker/job.h"

/* how many bytes of a stream's parts may be held beyond the longest answer: a paused worker may
 * still send parts for a while */
#define STREAM_HELD_MAX (16u << 20)

static struct parts *parts_of(struct job *job)
{
    if (job->parts == NULL) {
        job->parts = xcalloc(1, sizeof(*job->parts));
        job->parts->job = job;
        list_init(&job->parts->node);
    }
    assert(job->parts->job == job);
    return job->parts;
}

/* Call when the parts cannot become the job's answer any more: drop them. The parts of a stream (a
 * job with on_parts) never become the answer, so they stay until they are taken. */
static void give_up(struct job *job)
{
    if (job->on_parts == NULL)
        buf_reset(&job->parts->bytes, 0);
}

/* Most bytes to hold of a job's parts. Each part is held with a newline, as in "A\nB\n". The answer
 * made of them, "[A,B]", is one byte longer, and at most max_bytes. A stream makes no such answer,
 * and its worker is told to pause long before this bound. */
static size_t held_max(const struct job *job, size_t max_bytes)
{
    assert(max_bytes > 0);
    return job->on_parts != NULL ? max_bytes + STREAM_HELD_MAX : max_bytes - 1;
}

void parts_add(struct job *job, const char *text, size_t n, size_t max_bytes)
{
    struct parts *parts = parts_of(job);

    assert(job->outcome == JOB_PENDING);
    assert(!job->tombstone);
    parts->n++;
    if (parts->too_long || parts->fault != NULL || job->is_cancelled)
        return;
    if (json_check(text, n, NULL) == JSON_BAD) {
        parts->fault = "a part that is no JSON document";
        give_up(job);
        job_cancel(job);
        return;
    }
    if (parts->n == 1 && job->first_part != NULL)
        job->first_part(job, text, n);
    if (n > max_bytes || buf_len(&parts->bytes) + n + 1 > held_max(job, max_bytes)) {
        parts->too_long = true;
        give_up(job);
        return;
    }
    buf_add(&parts->bytes, text, n);
    buf_add(&parts->bytes, "\n", 1);
    if (job->tap != NULL)
        job->tap->part(job->tap, job, text, n);
    if (parts_are_full(job))
        job_look_again(job);
}

void parts_add_too_long(struct job *job)
{
    parts_of(job)->n++;
    job->parts->too_long = true;
    give_up(job);
    job_cancel(job);
}

bool parts_are_full(const struct job *job)
{
    return job->on_parts != NULL && job->parts != NULL && !job->is_cancelled &&
           buf_len(&job->parts->bytes) >= PARTS_HELD_MAX;
}

bool parts_next(const struct job *job, size_t *at, const char **text, size_t *n)
{
    size_t n_all = job->parts != NULL ? buf_len(&job->parts->bytes) : 0;
    const char *end;

    assert(*at <= n_all);
    if (*at >= n_all)
        return false;
    *text = buf_at(&job->parts->bytes) + *at;
    end = memchr(*text, '\n', n_all - *at);
    assert(end != NULL); /* the buffer has whole parts only, each with a newline */
    *n = (size_t)(end - *text);
    *at += *n + 1;
    return true;
}

void parts_took(struct job *job, size_t n)
{
    bool was_full = parts_are_full(job);

    buf_drop(&job->parts->bytes, n);
    if (was_full && !parts_are_full(job))
        job_look_again(job);
}

bool parts_are_bad(const struct job *job)
{
    return job->parts != NULL &&
           (job->parts->fault != NULL ||
            (job->parts->too_long && (job->on_parts != NULL || job->is_cancelled)));
}

bool parts_client_left(const struct job *job)
{
    return job->is_cancelled && !parts_are_bad(job);
}

void parts_become_answer(struct job *job)
{
    struct parts *parts = job->parts;
    size_t n = parts != NULL ? buf_len(&parts->bytes) : 0;

    job->has_no_result = true;
    assert(job->answer == NULL);
    assert(n == 0 || buf_at(&parts->bytes)[n - 1] == '\n'); /* "]" replaces this newline */
    if (job->on_parts != NULL) {
        job->answer = xstrdup("null");
        job->answer_len = strlen(job->answer);
        return;
    }
    job->answer_len = n > 0 ? n + 1 : 2;
    job->answer = xmalloc(job->answer_len);
    if (n > 0)
        memcpy(job->answer + 1, buf_at(&parts->bytes), n);
    bytes_replace(job->answer + 1, n, '\n', ',');
    job->answer[0] = '[';
    job->answer[job->answer_len - 1] = ']';
}

void parts_free(struct job *job)
{
    if (job->parts == NULL)
        return;
    list_remove(&job->parts->node);
    buf_done(&job->parts->bytes);
    free(TAKE(job->parts));
}

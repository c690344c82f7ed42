#include "worker/job.h"

#include <assert.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"

#define ID_MAX_BYTES 64 /* most bytes of an id to log; an activation id has 32, a traceparent 55 */

void job_look_again(struct job *job)
{
    if (job->holder == NULL || job->outcome != JOB_PENDING) /* job done: its holder may be freed */
        return;
    job->holder->asked = true;
    loop_post(job->holder->loop, job->holder->step);
}

void job_cancel(struct job *job)
{
    assert(!job->tombstone);
    if (job->is_cancelled)
        return;
    job->is_cancelled = true;
    job_look_again(job);
}

void job_drop_line(struct job *job)
{
    free(job->block != NULL ? job->block : job->line);
    job->block = job->line = NULL;
}

struct log_field job_log_member(const struct job *job, const char *member)
{
    struct json_slice top;
    struct json_slice value;

    /* Without a file our log goes to stderr, and perhaps on into another user's action log. */
    if (!log_has_file())
        return log_text(member, NULL);
    if (job->line == NULL) /* a tombstone has taken over the line: see window.h */
        return log_text(member, NULL);
    top = json_top(job->line, job->len);
    assert(top.kind == JSON_OBJECT);
    if (!json_member(top, member, &value) || value.kind != JSON_STRING)
        return log_text(member, NULL);
    return log_bytes(member, value.text + 1,
                     value.n - 2 < ID_MAX_BYTES ? value.n - 2 : ID_MAX_BYTES);
}

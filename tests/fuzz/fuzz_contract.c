/*
 * fuzz_activation - any bytes as the body of a /run, which is a line of the command pipe, too.
 *
 * What passes becomes one line, which says what the body said; what does not has a reason.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "worker/contract.h"
#include "worker/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The line without its newline is the same document but for white space. */
static void check_line(const struct job *job, struct json_slice top)
{
    struct buf wanted = {0}, got = {0};

    assert(job->len > 2 && job->line[job->len - 1] == '\n');
    assert(memchr(job->line, '\n', job->len) == job->line + job->len - 1);
    assert(memchr(job->line, '\r', job->len) == NULL);
    assert(json_check(job->line, job->len - 1, NULL) == JSON_OBJECT);
    json_compact(&wanted, top);
    json_compact(&got, json_top(job->line, job->len - 1));
    assert(buf_len(&wanted) == buf_len(&got));
    assert(memcmp(buf_at(&wanted), buf_at(&got), buf_len(&got)) == 0);
    buf_done(&wanted);
    buf_done(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct job job = {.line = NULL};
    struct contract_body body;
    struct json_slice deadline;
    int64_t left_ms;
    char why[256] = "";

    if (!contract_check((const char *)data, n, &body, why, sizeof(why))) {
        assert(why[0] != '\0' && strlen(why) < sizeof(why) && strpbrk(why, "\r\n") == NULL);
        return 0;
    }
    assert(why[0] == '\0' && body.top.kind == JSON_OBJECT);
    /* What the check found on its way is what a search finds. */
    if (json_member(body.top, "deadline", &deadline))
        assert(deadline.kind == body.deadline.kind && deadline.text == body.deadline.text &&
               deadline.n == body.deadline.n);
    else
        assert(body.deadline.kind == JSON_BAD);
    contract_set_line(&job, body.top, NULL, 0);
    check_line(&job, body.top);
    (void)contract_is_argument(body.top);
    (void)contract_left_ms(&body, &left_ms);
    free(job.line);
    return 0;
}

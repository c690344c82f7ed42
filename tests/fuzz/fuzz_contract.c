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
    struct json_slice top;
    char why[256] = "";

    if (!contract_check((const char *)data, n, &top, why, sizeof(why))) {
        assert(why[0] != '\0' && strlen(why) < sizeof(why) && strpbrk(why, "\r\n") == NULL);
        return 0;
    }
    assert(why[0] == '\0' && top.kind == JSON_OBJECT);
    contract_set_line(&job, top, NULL, 0);
    check_line(&job, top);
    (void)contract_is_argument(top);
    (void)contract_asked_ms(top);
    free(job.line);
    return 0;
}

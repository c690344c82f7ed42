/*
 * fuzz_trace - any bytes as trace headers and as the object that gets them as members.
 *
 * The input is the three values and the object, each but the last ended by a newline. This file
 * stands in for http/request.c.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "http/trace.h"
#include "pieces.h"
#include "worker/contract.h"
#include "worker/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct request {
    struct span values[TRACE_N_HEADERS];
    unsigned n_sent;
};

bool request_headers(const struct request *request, const struct span *names, size_t n_names,
                     struct span *values)
{
    (void)names;
    assert(n_names == TRACE_N_HEADERS);
    memcpy(values, request->values, sizeof(request->values));
    return true;
}

void request_add_header_copy(struct request *request, struct span name, struct span value)
{
    assert(name.n > 0 && value.n > 0);
    for (size_t i = 0; i < value.n; i++)
        assert(value.text[i] >= ' ' && value.text[i] <= '~');
    request->n_sent++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *text = (const char *)data;
    struct request request = {.n_sent = 0};
    struct trace trace = {.any = false};
    auto_buf struct buf members = {0};
    struct job job = {.line = NULL};

    for (size_t i = 0; i < TRACE_N_HEADERS; i++) {
        request.values[i] = cut(&text, &n);
        if (request.values[i].n == 0) /* as when there is none */
            request.values[i].text = NULL;
    }
    trace_take(&trace, &request);
    assert(trace.any == (request.n_sent > 0));
    if (json_check(text, n, NULL) != JSON_OBJECT)
        return 0;
    trace_members(&trace, json_top(text, n), &members);
    contract_set_line(&job, json_top(text, n), buf_at(&members), buf_len(&members));
    assert(json_check(job.line, job.len, NULL) == JSON_OBJECT);
    job_drop_line(&job);
    return 0;
}

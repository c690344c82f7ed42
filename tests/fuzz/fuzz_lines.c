/*
 * fuzz_lines - any bytes as what a launcher and its action write: the line that reports ready, the
 * head and tail of a numbered answer, an end mark in a log.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/sentinel.h"
#include "base/util.h"
#include "worker/ready.h"
#include "worker/request_id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void try_ready(const char *text, size_t n)
{
    struct ready ready = {0};
    struct err err = {0};

    if (ready_read(&ready, text, n, &err) == 0) {
        assert(json_check(text, n, NULL) == JSON_OBJECT);
        assert(ready.concurrent <= READY_CONCURRENT_MAX);
    } else {
        assert(err.kind == ERR_CODE || err.kind == ERR_ACTION);
        assert(err.text[0] != '\0' && strlen(err.text) < sizeof(err.text));
    }
}

/* What is read lies within the text, and what is written is read again. */
static void try_request_id(const char *text, size_t n)
{
    const char *rest = text;
    size_t n_rest = n;
    uint64_t number = 0;

    if (request_id_read(&rest, &n_rest, &number)) {
        char head[REQUEST_ID_HEAD_MAX];
        const char *again = head;
        size_t n_head = request_id_head(head, number);
        uint64_t same;

        assert(rest > text && rest + n_rest == text + n);
        assert(n_head <= sizeof(head) && request_id_read(&again, &n_head, &same));
        assert(same == number && n_head == 0);
        if (request_id_end(rest, &n_rest))
            assert(rest + n_rest < text + n && rest[n_rest] == ']');
    } else {
        assert(rest == text && n_rest == n);
    }
}

/* None is left, and nothing else has changed but the case of letters. */
static void try_sentinel(const char *text, size_t n)
{
    auto_free char *words = xmalloc(n + 1);

    memcpy(words, text, n);
    sentinel_disarm(words, n);
    assert(memmem(words, n, SENTINEL, SENTINEL_LEN) == NULL);
    for (size_t i = 0; i < n; i++)
        assert(words[i] == text[i] || (words[i] | 0x20) == (text[i] | 0x20));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    auto_free char *tight = xmalloc(n + (n == 0));

    memcpy(tight, data, n);
    try_ready(tight, n);
    try_request_id(tight, n);
    try_sentinel(tight, n);
    return 0;
}

/*
 * fuzz_json - any bytes through json_check(), and what passes through every slice function.
 *
 * Beyond "no crash", each input is held against rules that relate the functions to each other.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A fault lies within the text and is told as one line that fits. */
static void try_fault(const char *text, size_t n)
{
    struct json_fault fault = {0};
    char said[128];

    if (json_check(text, n, &fault) != JSON_BAD)
        return;
    assert(fault.at <= n && fault.what != NULL);
    json_fault_say(&fault, text, n, said, sizeof(said));
    assert(strlen(said) > 0 && strlen(said) < sizeof(said) - 1);
    for (const char *c = said; *c != '\0'; c++)
        assert(*c >= ' ' && *c <= '~');
}

/* What was quoted is a string, and unescapes to what was quoted. */
static void try_quote(const char *text, size_t n, bool is_utf8)
{
    struct buf quoted = {0};
    struct json_slice string;

    json_quote(&quoted, text, n);
    assert(json_check(buf_at(&quoted), buf_len(&quoted), NULL) == JSON_STRING);
    string = json_top(buf_at(&quoted), buf_len(&quoted));
    assert(string.n == buf_len(&quoted));
    if (is_utf8) {
        auto_free char *plain = xmalloc(string.n);

        assert(json_unescape(string, plain) == n);
        assert(n == 0 || memcmp(plain, text, n) == 0);
    }
    buf_done(&quoted);
}

static void try_string(struct json_slice string)
{
    auto_free char *plain = xmalloc(string.n);
    size_t n = json_unescape(string, plain);

    assert(n <= string.n - 2);
    plain[n] = '\0';
    assert(json_equals(string, plain) == (strlen(plain) == n));
    try_quote(plain, n, true);
}

/* A slice is a document of its own; compact, it still is one, and cannot get smaller. */
static void try_slice(struct json_slice slice)
{
    struct buf once = {0}, twice = {0};

    assert(json_check(slice.text, slice.n, NULL) == slice.kind);
    json_compact(&once, slice);
    assert(buf_len(&once) <= slice.n);
    assert(json_check(buf_at(&once), buf_len(&once), NULL) == slice.kind);
    json_compact(&twice, json_top(buf_at(&once), buf_len(&once)));
    assert(buf_len(&twice) == buf_len(&once));
    assert(memcmp(buf_at(&twice), buf_at(&once), buf_len(&once)) == 0);
    if (slice.kind == JSON_STRING)
        try_string(slice);
    buf_done(&once);
    buf_done(&twice);
}

static void try_members(struct json_slice object)
{
    struct json_slice key, value, found;
    size_t at = 0, before = 0;

    while (json_next_member(object, &at, &key, &value)) {
        assert(at > before && at < object.n);
        before = at;
        assert(key.kind == JSON_STRING);
        try_slice(key);
        try_slice(value);
    }
    if (json_member(object, "value", &found))
        assert(found.text > object.text && found.text + found.n < object.text + object.n);
}

static void try_items(struct json_slice array)
{
    struct json_slice value;
    size_t at = 0, before = 0;

    while (json_next_item(array, &at, &value)) {
        assert(at > before && at < array.n);
        before = at;
        try_slice(value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *text = (const char *)data;
    enum json_kind kind = json_check(text, n, NULL);

    try_fault(text, n);
    try_quote(text, n, false);
    if (kind == JSON_BAD)
        return 0;
    assert(json_top(text, n).kind == kind);
    try_slice(json_top(text, n));
    if (kind == JSON_OBJECT)
        try_members(json_top(text, n));
    if (kind == JSON_ARRAY)
        try_items(json_top(text, n));
    return 0;
}

/*
 * echo - the native action of the benchmarks for large bodies: answers with the body's value,
 * byte for byte. It takes a whole body of a /run, or the value alone, as the old way hands it over.
 */

#include <assert.h>

#include "base/buf.h"
#include "base/json.h"
#include "lines.h"

static void echo_answer(struct buf *out, const char *line, size_t n)
{
    struct json_slice value = json_top(line, n);

    assert(n > 0);
    if (value.kind == JSON_OBJECT)
        (void)json_member(value, "value", &value);
    buf_add(out, value.text, value.n);
}

int main(void)
{
    return lines_serve(echo_answer);
}

/*
 * hello - the small native action of the benchmarks: {"name":"Mike"} in, {"greeting":"Hello,
 * Mike!"} out. It takes a whole body of a /run, or the value alone, as the old way hands it over.
 */

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "lines.h"

static void hello_answer(struct buf *out, const char *line, size_t n)
{
    struct json_slice value = json_top(line, n);
    struct json_slice name = {0};

    assert(n > 0);
    if (value.kind == JSON_OBJECT)
        (void)json_member(value, "value", &value);
    buf_add_text(out, "{\"greeting\":\"Hello, ");
    if (value.kind == JSON_OBJECT && json_member(value, "name", &name) && name.kind == JSON_STRING)
        buf_add(out, name.text + 1, name.n - 2); /* without its quotes, escapes as they are */
    else
        buf_add_text(out, "World");
    buf_add_text(out, "!\"}");
}

int main(void)
{
    return lines_serve(hello_answer);
}

#include "worker/ready.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"

#define BROKEN "The action did not initialize properly."

/* The number in member `name` of a launcher's ready line; 0: there is none. A number below 1 counts
 * as 1, a number above INT_MAX as INT_MAX. */
static unsigned announced(struct json_slice top, const char *name)
{
    struct json_slice value;
    long n;

    assert(top.kind == JSON_OBJECT);
    if (!json_member(top, name, &value) || value.kind != JSON_NUMBER)
        return 0;
    n = strtol(value.text, NULL, 10);
    if (n < 1)
        return 1;
    return n < INT_MAX ? (unsigned)n : INT_MAX;
}

static bool says(struct json_slice top, const char *name)
{
    struct json_slice value;

    assert(top.kind == JSON_OBJECT);
    return json_member(top, name, &value) && value.kind == JSON_TRUE;
}

/* Do not change the error texts that are set here: test suites compare them. */
int ready_read(struct ready *ready, const char *text, size_t n, struct err *err)
{
    struct json_slice value;
    struct json_fault fault;
    struct json_slice top;
    char why[256];

    memset(ready, 0, sizeof(*ready));
    if (text == NULL)
        return err_set(err, ERR_ACTION, 0, BROKEN);
    if (json_check(text, n, &fault) == JSON_BAD) {
        json_fault_say(&fault, text, n, why, sizeof(why));
        return err_set(err, ERR_ACTION, 0, "%s", why);
    }
    top = json_top(text, n);
    if (top.kind != JSON_OBJECT || !json_member(top, "ok", &value) || value.kind != JSON_TRUE) {
        if (top.kind == JSON_OBJECT && json_member(top, "error", &value) &&
            value.kind == JSON_STRING && value.n > 2 && value.n < sizeof(why)) {
            why[json_unescape(value, why)] = '\0';
            if (why[0] != '\0') /* it may begin with a NUL */
                return err_set(err, ERR_CODE, 0, "%s", why);
        }
        return err_set(err, ERR_ACTION, 0, BROKEN);
    }
    ready->ring = says(top, "ring");
    ready->parts = says(top, "parts");
    ready->control = says(top, "control");
    ready->pipeline = announced(top, "pipeline");
    ready->concurrent = announced(top, "concurrent");
    if (ready->concurrent > READY_CONCURRENT_MAX)
        ready->concurrent = READY_CONCURRENT_MAX;
    return 0;
}

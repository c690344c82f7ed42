#include "worker/ready.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/json.h"

#define BROKEN "The action did not initialize properly."

/* Texts as the suites compare them. */
int ready_read(struct ready *ready, const char *text, size_t n, struct err *err)
{
    struct json_slice value;
    struct json_fault fault;
    struct json_slice top;
    char why[256];

    ready->pipeline = 0;
    if (text == NULL)
        return err_set(err, ERR_ACTION, 0, BROKEN);
    if (json_check(text, n, &fault) == JSON_BAD) {
        json_fault_say(&fault, text, n, why, sizeof(why));
        return err_set(err, ERR_ACTION, 0, "%s", why);
    }
    top = json_top(text, n);
    if (top.kind != JSON_OBJECT || !json_member(top, "ok", &value) || value.kind != JSON_TRUE) {
        if (top.kind == JSON_OBJECT && json_member(top, "error", &value) &&
            value.kind == JSON_STRING && value.n < sizeof(why)) {
            why[json_unescape(value, why)] = '\0';
            return err_set(err, ERR_CODE, 0, "%s", why);
        }
        return err_set(err, ERR_ACTION, 0, BROKEN);
    }
    /* A number is 1 and more, whatever it says beyond what we use. */
    if (json_member(top, "pipeline", &value) && value.kind == JSON_NUMBER) {
        ready->pipeline = (unsigned)strtoul(value.text, NULL, 10);
        ready->pipeline += ready->pipeline == 0;
    }
    return 0;
}

#include "dev/canonical.h"

#include <jansson.h>

char *canonical_json(const char *text, size_t n)
{
    static const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
    json_t *value = json_loadb(text, n, flags, NULL);
    char *form;

    if (value == NULL) /* an integer may be too large for jansson: read integers as reals */
        value = json_loadb(text, n, flags | JSON_DECODE_INT_AS_REAL, NULL);
    form = value != NULL ? json_dumps(value, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENCODE_ANY |
                                                 JSON_REAL_PRECISION(15))
                         : NULL;
    json_decref(value);
    return form;
}

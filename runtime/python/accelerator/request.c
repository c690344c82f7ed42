/*
 * request - split a line into its members. The argument is decoded; metadata stays JSON text.
 *
 * Most metadata is the same as in the line before, and then costs only a comparison of bytes.
 */

#include <assert.h>
#include <string.h>

#include "base/json_text.h"
#include "base/scan.h"
#include "inside.h"

#define VALUE "\"value\""

/* Skip the string at `at`, if it is plain ASCII without escapes. Returns its end, or NULL. */
static const uint8_t *skip_plain(const uint8_t *at, const uint8_t *end)
{
    if (at == end || *at != '"')
        return NULL;
    at = scan_special(at, at + 1, end);
    return at < end && *at == '"' ? at + 1 : NULL;
}

/* Read the value at `at` into a member whose key is set already. i: the member's position. Returns
 * the value's end, or NULL: the line is left to Python. */
static const uint8_t *read_metadata(struct member *member, size_t i, const uint8_t *at,
                                    const uint8_t *end)
{
    const struct variable *before = environment_at(i);
    const uint8_t *behind;

    member->raw = (const char *)at;
    member->known = before != NULL && environment_has_key(before, member->key, member->n_key);
    if (member->known) {
        member->same = environment_has_value(before, at, end, &member->n_raw);
        if (member->same)
            return at + member->n_raw;
    }
    behind = skip_plain(at, end);
    member->plain = behind != NULL;
    if (behind == NULL) { /* any other value, such as a number or a string with escapes */
        PyObject *value;

        behind = at;
        value = decode_value(&behind, end);
        if (value == NULL)
            return NULL;
        Py_DECREF(value);
    }
    member->n_raw = (size_t)(behind - at);
    return behind;
}

/* Read the member at `at`. Returns its end, or NULL: the line is left to Python. */
static const uint8_t *read_member(struct request *request, const uint8_t *at, const uint8_t *end)
{
    struct member member = {.key = (const char *)at};
    const uint8_t *behind = skip_plain(at, end);

    if (behind == NULL)
        return NULL;
    member.n_key = (size_t)(behind - at);
    at = skip_space(behind, end);
    if (at == end || *at != ':')
        return NULL;
    at = skip_space(at + 1, end);
    if (member.n_key == sizeof(VALUE) - 1 && memcmp(member.key, VALUE, member.n_key) == 0) {
        if (request->value != NULL)
            return NULL; /* a second "value", which would replace the first */
        request->value = decode_value(&at, end);
        return request->value != NULL ? at : NULL;
    }
    if (request->n_members == MEMBERS_MAX)
        return NULL;
    at = read_metadata(&member, request->n_members, at, end);
    request->members[request->n_members++] = member;
    return at;
}

static bool read_object(struct request *request, const uint8_t *at, const uint8_t *end)
{
    at = skip_space(at, end);
    if (at == end || *at != '{')
        return false;
    at = skip_space(at + 1, end);
    if (at < end && *at == '}')
        return skip_space(at + 1, end) == end;
    for (;;) {
        at = read_member(request, at, end);
        if (at == NULL)
            return false;
        at = skip_space(at, end);
        if (at == end)
            return false;
        if (*at == '}')
            return skip_space(at + 1, end) == end;
        if (*at != ',')
            return false;
        at = skip_space(at + 1, end);
    }
}

bool request_read(struct request *request, const char *line, size_t n)
{
    const uint8_t *at = (const uint8_t *)line;

    request->value = NULL;
    request->n_members = 0;
    if (!read_object(request, at, at + n)) {
        Py_CLEAR(request->value);
        return false;
    }
    if (request->value == Py_None)
        Py_CLEAR(request->value);
    return true;
}

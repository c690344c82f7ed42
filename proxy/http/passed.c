#include "http/passed.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "http/request.h"

#define OPTION "--pass-headers"

/* Only letters, digits and dashes are allowed. With other characters, two headers could become the
 * same environment variable. */
static bool is_name(const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '-')
            return false;
    return n > 0 && n <= PASSED_NAME_MAX;
}

int passed_read(struct passed *passed, const char *list, struct err *err)
{
    passed->n = 0;
    while (*list != '\0') {
        size_t n_all = strcspn(list, ",");
        size_t n = n_all;

        while (n > 0 && *list == ' ')
            list++, n--, n_all--;
        while (n > 0 && list[n - 1] == ' ')
            n--;
        if (!is_name(list, n))
            return err_set(err, ERR_REQUEST, 0,
                           "%s: \"%.*s\" is no header's name: want letters, digits and dashes, up "
                           "to %d bytes",
                           OPTION, (int)(n < 80 ? n : 80), list, PASSED_NAME_MAX);
        if (passed->n == PASSED_MAX)
            return err_set(err, ERR_REQUEST, 0, "%s: more than %d headers", OPTION, PASSED_MAX);
        assert(n <= PASSED_NAME_MAX);
        assert(passed->n < PASSED_MAX);
        for (size_t i = 0; i < n; i++)
            passed->names[passed->n][i] = (char)tolower((unsigned char)list[i]);
        passed->names[passed->n++][n] = '\0';
        list += n_all;
        list += *list == ',';
    }
    return 0;
}

/* Join the values of all headers with the name `wanted`. false: there is no such header, or the
 * joined value is too long. */
static bool join(const struct request *request, const char *wanted, struct buf *value)
{
    struct span name, text;
    bool found = false;

    for (size_t i = 0; request_header_at(request, i, &name, &text); i++) {
        if (!span_is(name, wanted))
            continue;
        if (found)
            buf_add_text(value, ", ");
        if (buf_len(value) + text.n > PASSED_VALUE_MAX)
            return false;
        if (text.n > 0)
            buf_add(value, text.text, text.n);
        found = true;
    }
    return found;
}

/* Make a member's name from a header's: "x-foo" becomes "header_x_foo". */
static void name_member(const char *header, char *out, size_t size)
{
    int n = snprintf(out, size, "header_%s", header);

    assert(n > 0);
    assert((size_t)n < size);
    for (char *at = out; *at != '\0'; at++)
        if (*at == '-')
            *at = '_';
}

void passed_add(const struct passed *passed, const struct request *request,
                struct json_slice object, struct buf *members)
{
    assert(object.kind == JSON_OBJECT);
    for (size_t i = 0; i < passed->n; i++) {
        char member[sizeof(passed->names[0]) + 8];
        struct json_slice own;
        auto_buf struct buf value = {0};

        name_member(passed->names[i], member, sizeof(member));
        if (!json_member(object, member, &own) && join(request, passed->names[i], &value)) {
            json_quote(members, member, strlen(member));
            buf_add_text(members, ":");
            json_quote(members, buf_at(&value), buf_len(&value));
            buf_add_text(members, ",");
        }
    }
}

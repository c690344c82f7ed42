/*
 * fuzz_envelope - any bytes as the body of an /init.
 *
 * What is taken must be whole, what is refused must say why, and the same body must come out the
 * same way twice.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "action/envelope.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_taken(const struct envelope *envelope, size_t n_body)
{
    assert(envelope->code != NULL && envelope->main != NULL);
    assert(envelope->code_len > 0 && envelope->code_len < n_body);
    assert(envelope->kind == code_sniff(envelope->code, envelope->code_len));
    assert(envelope->main[0] != '\0');
    if (envelope->env == NULL)
        return;
    assert(envelope->env[0] != NULL); /* an empty env is none */
    for (char **variable = envelope->env; *variable != NULL; variable++) {
        const char *equals = strchr(*variable, '=');

        assert(equals != NULL && equals > *variable);
        for (char **other = envelope->env; other != variable; other++)
            assert(strncmp(*other, *variable, (size_t)(equals - *variable) + 1) != 0);
    }
}

static void check_refused(const struct err *err)
{
    assert(err->kind == ERR_REQUEST || err->kind == ERR_NO_CODE);
    assert(err->text[0] != '\0');
    assert(strpbrk(err->text, "\r\n") == NULL);
}

static void check_same(const struct envelope *a, const struct envelope *b)
{
    assert(a->code_len == b->code_len && a->kind == b->kind);
    assert(memcmp(a->code, b->code, a->code_len) == 0);
    assert(strcmp(a->main, b->main) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct envelope first = {0}, second = {0};
    struct err err = {0};
    int taken = envelope_read(&first, (const char *)data, n, &err);

    if (taken == 0)
        check_taken(&first, n);
    else
        check_refused(&err);
    assert(envelope_read(&second, (const char *)data, n, &err) == taken);
    if (taken == 0)
        check_same(&first, &second);
    envelope_done(&first);
    envelope_done(&second);
    return 0;
}

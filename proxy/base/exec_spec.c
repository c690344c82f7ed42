/*
 * A vector of strings ends with NULL and has no length, as execve() wants it, so each function here
 * counts the strings again. Building a vector takes quadratic time. That is fine for the hundreds
 * of variables of an /init. Callers that take strings from a client limit their number.
 */

#include "base/exec_spec.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "base/util.h"

void exec_spec_done(struct exec_spec *spec)
{
    strv_free(&spec->argv);
    strv_free(&spec->env);
    free(spec->cwd);
    free(spec->shortfall);
    free(spec->instead_line);
    if (spec->instead != NULL)
        exec_spec_done(spec->instead); /* it has no `instead` of its own: no deep recursion */
    free(spec->instead);
    memset(spec, 0, sizeof(*spec));
}

static size_t strv_len(char *const *vector)
{
    size_t n = 0;

    while (vector != NULL && vector[n] != NULL)
        n++;
    return n;
}

void strv_push(char ***vector, char *owned_text)
{
    size_t n = strv_len(*vector);

    assert(owned_text != NULL);
    *vector = xrealloc(*vector, (n + 2) * sizeof(**vector));
    (*vector)[n] = owned_text;
    (*vector)[n + 1] = NULL;
}

void strv_free(char ***vector)
{
    if (*vector == NULL)
        return;
    for (char **text = *vector; *text != NULL; text++)
        free(*text);
    free(*vector);
    *vector = NULL;
}

void strv_put(char ***vector, char *owned_variable)
{
    /* The name is compared together with its '=', so that PATH does not match PATHEXT. */
    size_t head_len = strcspn(owned_variable, "=") + 1;

    assert(head_len > 1);
    assert(owned_variable[head_len - 1] == '=');
    for (char **old = *vector; old != NULL && *old != NULL; old++) {
        if (strncmp(*old, owned_variable, head_len) == 0) {
            free(*old);
            *old = owned_variable;
            return;
        }
    }
    strv_push(vector, owned_variable);
}

void strv_setenv(char ***vector, const char *name, const char *value)
{
    assert(strchr(name, '=') == NULL);
    strv_put(vector, xasprintf("%s=%s", name, value));
}

void strv_put_all(char ***vector, char *const *from)
{
    for (; from != NULL && *from != NULL; from++)
        strv_put(vector, xstrdup(*from));
}

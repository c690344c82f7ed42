/*
 * A vector of strings ends with NULL and has no length, as execve() wants it, so each function here
 * counts the strings again. Building a vector takes quadratic time. That is fine for the hundreds
 * of variables of an /init, and callers with input from outside limit the number.
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

void strv_setenv(char ***vector, const char *name, const char *value)
{
    char *variable = xasprintf("%s=%s", name, value);
    size_t head_len = strlen(name) + 1; /* with the '=', so that PATH does not match PATHEXT */

    assert(head_len > 1);
    assert(strchr(name, '=') == NULL);
    for (char **old = *vector; old != NULL && *old != NULL; old++) {
        if (strncmp(*old, variable, head_len) == 0) {
            free(*old);
            *old = variable;
            return;
        }
    }
    strv_push(vector, variable);
}

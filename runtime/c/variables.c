/*
 * variables - set an activation's metadata as environment variables.
 *
 * setenv() would leak the old value each time: it cannot know whether somebody still reads it. So
 * we own each text "NAME=value", give it to putenv(), and overwrite it in place if the new value
 * fits.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/shown.h"
#include "base/util.h"
#include "inside.h"

/* NOLINTBEGIN(concurrency-mt-unsafe): only the thread that runs handlers calls these functions, and
 * whisk_action.3 forbids other threads to read the environment meanwhile. */

#define PREFIX   "__OW_"
#define N_PREFIX (sizeof(PREFIX) - 1)
#define VARIABLES_MAX                                                                              \
    512 /* most names that are remembered; a line has at most SHOWN_OTHERS_MAX and the platform's */

struct variable {
    char *text;   /* owned; "NAME=value", in the environment only while `is_set` */
    char *before; /* owned; "NAME=value" as it was before we first set it; NULL: it was not set */
    size_t size;  /* bytes allocated for `text` */
    size_t n_name;
    uint64_t line; /* number of the last line that had this member */
    bool is_set;
};

static struct variable variables[VARIABLES_MAX];
static size_t n_variables;
static uint64_t n_lines;

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* Whether `variable` is the one for the member `key` of n bytes. */
static bool is_for(const struct variable *variable, const char *key, size_t n)
{
    if (variable->n_name != N_PREFIX + n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (variable->text[N_PREFIX + i] != upper(key[i]))
            return false;
    }
    return true;
}

/* Take the variable out of the environment, which then no longer uses its text. */
static void unset(struct variable *variable)
{
    auto_free char *name = xstrndup(variable->text, variable->n_name);

    (void)unsetenv(name);
    variable->is_set = false;
}

/* A struct for one more name: a new one, or that of a name which the current line has not had. One
 * with `before` is not reused, because that text may be in the environment. NULL: there is none. */
static struct variable *room(void)
{
    if (n_variables < VARIABLES_MAX)
        return &variables[n_variables++];
    for (size_t i = 0; i < n_variables; i++) {
        struct variable *variable = &variables[i];

        if (variable->line != n_lines && variable->before == NULL) {
            if (variable->is_set)
                unset(variable);
            free(variable->text);
            *variable = (struct variable){0};
            return variable;
        }
    }
    return NULL;
}

/* The variable for a key; made here if it is new. NULL: there is no room for one more name. */
static struct variable *find(const char *key, size_t n)
{
    struct variable *variable;
    const char *before;

    for (size_t i = 0; i < n_variables; i++) {
        if (is_for(&variables[i], key, n))
            return &variables[i];
    }
    variable = room();
    if (variable == NULL)
        return NULL;
    variable->n_name = N_PREFIX + n;
    variable->size = variable->n_name + 64;
    variable->text = xmalloc(variable->size);
    memcpy(variable->text, PREFIX, N_PREFIX);
    for (size_t i = 0; i < n; i++)
        variable->text[N_PREFIX + i] = upper(key[i]);
    variable->text[variable->n_name] = '\0';
    before = getenv(variable->text);
    if (before != NULL)
        variable->before = xasprintf("%s=%s", variable->text, before);
    return variable;
}

/* Give a variable the value that it had before we first set it, or remove it. */
static void take_back(struct variable *variable)
{
    unset(variable);
    if (variable->before != NULL)
        (void)putenv(variable->before);
}

/* Make room in variable->text for a value of n bytes. */
static void grow(struct variable *variable, size_t n)
{
    size_t need = variable->n_name + 1 + n + 1;
    char *grown;

    if (need <= variable->size)
        return;
    if (variable->is_set)
        unset(variable);
    grown = xmalloc(need * 2);
    memcpy(grown, variable->text, variable->n_name);
    free(variable->text);
    variable->text = grown;
    variable->size = need * 2;
}

static size_t spell_compact(struct json_slice value, char *to)
{
    struct buf compact = {0};
    size_t n;

    json_compact(&compact, value);
    n = buf_len(&compact);
    memcpy(to, buf_at(&compact), n);
    buf_done(&compact);
    return n;
}

static void set(struct variable *variable, struct json_slice value)
{
    char *to;
    size_t n = 0;

    grow(variable, value.n);
    to = variable->text + variable->n_name;
    *to++ = '=';
    if (value.kind == JSON_STRING) {
        n = json_unescape(value, to);
    } else if (value.kind == JSON_OBJECT || value.kind == JSON_ARRAY) {
        n = spell_compact(value, to);
    } else if (value.kind != JSON_NULL) {
        n = value.n;
        memcpy(to, value.text, n);
    }
    to[n] = '\0';
    if (memchr(to, '\0', n) != NULL)
        return; /* no variable can hold a NUL: variables_set() takes this one back */
    if (!env_holds(variable->text))
        (void)putenv(variable->text); /* it is new, or the handler has replaced or removed it */
    variable->is_set = true;
    variable->line = n_lines;
}

/* Set the variable for one member. A key with escapes is rare, and costs an allocation. */
static void set_member(struct json_slice key, struct json_slice value, size_t *n_others)
{
    const char *name = key.text + 1;
    size_t n = key.n - 2;
    auto_free char *plain = NULL;
    struct variable *variable;

    if (memchr(name, '\\', n) != NULL) {
        plain = xmalloc(key.n);
        n = json_unescape(key, plain);
        name = plain;
    }
    if (memchr(name, '=', n) != NULL || memchr(name, '\0', n) != NULL ||
        !shown_take(name, n, n_others))
        return;
    variable = find(name, n);
    if (variable != NULL)
        set(variable, value);
}

void variables_set(struct json_slice line)
{
    struct json_slice key, value;
    size_t at = 0, n_others = 0;

    n_lines++;
    while (json_next_member(line, &at, &key, &value)) {
        if (!json_equals(key, "value"))
            set_member(key, value, &n_others);
    }
    for (size_t i = 0; i < n_variables; i++) {
        if (variables[i].is_set && variables[i].line != n_lines)
            take_back(&variables[i]);
    }
}

/* NOLINTEND(concurrency-mt-unsafe) */

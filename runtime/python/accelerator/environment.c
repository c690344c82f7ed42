/*
 * environment - an activation's metadata as environment variables, as class Metadata of
 * whiskloop_launcher.py shows it.
 *
 * That class decides what a key's variable is, what cannot be one, and what was there before. Here
 * is known what it made of the last line: as long as the next ones have the same keys, only values
 * that differ are set. Whenever the class is to work again it is told first what the environment
 * shows.
 *
 * setenv() would leak each value, as it cannot know who still reads it. So the texts are ours,
 * handed to putenv(), and overwritten in place while they are long enough.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_text.h"
#include "base/util.h"
#include "inside.h"

#define TEXTS_MAX     64   /* variables in a process's life; with more Python does the work */
#define RAW_MAX_BYTES 4096 /* of a value that is remembered */

/* A variable as the C library has it. */
struct text {
    char *bytes; /* owned; "NAME=value", never freed once it was in the environment */
    size_t size;
    size_t n_name;
};

struct variable {
    char *key; /* owned; with its quotes */
    size_t n_key;
    char raw[RAW_MAX_BYTES]; /* the value as it stood in the last line */
    size_t n_raw;
    PyObject *key_text;  /* owned, as all that follow; the key of Metadata.shown */
    PyObject *name;      /* of the variable, a text */
    PyObject *name_data; /* the same as bytes, the key of os.environ's dictionary */
    PyObject *shown;     /* what that dictionary has for it */
    struct text *text;   /* borrowed */
    bool changed;        /* Metadata.shown does not know yet */
};

static struct {
    PyObject *metadata; /* owned, as all that follow */
    PyObject *entries;  /* Metadata.shown */
    PyObject *os;       /* the module's names */
    PyObject *environ;  /* what os.environ was at the start */
    PyObject *data;     /* the dictionary beneath it */
    struct variable *variables;
    size_t n_variables;
    bool known; /* the variables are all that is shown */
    struct text texts[TEXTS_MAX];
    size_t n_texts;
} env;

static void forget(void)
{
    for (size_t i = 0; i < env.n_variables; i++) {
        struct variable *variable = &env.variables[i];

        free(variable->key);
        Py_DECREF(variable->key_text);
        Py_DECREF(variable->name);
        Py_DECREF(variable->name_data);
        Py_DECREF(variable->shown);
    }
    env.n_variables = 0;
    env.known = false;
}

bool environment_open(PyObject *metadata)
{
    PyObject *os = PyImport_ImportModule("os");

    assert(env.metadata == NULL);
    if (os == NULL)
        return false;
    Py_INCREF(metadata);
    env.metadata = metadata;
    env.entries = PyObject_GetAttrString(metadata, "shown");
    env.environ = PyObject_GetAttrString(metadata, "environ");
    env.data = PyObject_GetAttrString(metadata, "data");
    env.os = PyModule_GetDict(os);
    Py_XINCREF(env.os);
    Py_DECREF(os);
    env.variables = xcalloc(MEMBERS_MAX, sizeof(*env.variables));
    if (env.entries == NULL || env.environ == NULL || env.data == NULL)
        return false;
    if (PyDict_CheckExact(env.entries) && PyDict_CheckExact(env.data))
        return true;
    PyErr_SetString(PyExc_TypeError, "os.environ is not made as it was");
    return false;
}

void environment_close(void)
{
    forget();
    Py_CLEAR(env.metadata);
    Py_CLEAR(env.entries);
    Py_CLEAR(env.environ);
    Py_CLEAR(env.data);
    Py_CLEAR(env.os);
    free(TAKE(env.variables));
}

/* ---- comparing ---- */

const struct variable *environment_at(size_t i)
{
    return i < env.n_variables ? &env.variables[i] : NULL;
}

bool environment_has_key(const struct variable *variable, const char *key, size_t n_key)
{
    return variable->n_key == n_key && memcmp(variable->key, key, n_key) == 0;
}

bool environment_has_value(const struct variable *variable, const uint8_t *at, const uint8_t *end,
                           size_t *n)
{
    size_t n_raw = variable->n_raw;

    /* A number goes on where the next byte is a digit: only a text tells its own end. */
    if ((size_t)(end - at) < n_raw || memcmp(variable->raw, at, n_raw) != 0)
        return false;
    if (variable->raw[0] != '"' && (size_t)(end - at) > n_raw && !is_space(at[n_raw]) &&
        at[n_raw] != ',' && at[n_raw] != '}')
        return false;
    *n = n_raw;
    return true;
}

/* ---- the C library's environment ---- */

static bool is_in_environment(const char *text)
{
    for (char **at = environ; at != NULL && *at != NULL; at++)
        if (*at == text)
            return true;
    return false;
}

/* The variable of that name; NULL: there are too many. */
static struct text *text_of(PyObject *name_data)
{
    const char *name = PyBytes_AS_STRING(name_data);
    size_t n_name = (size_t)PyBytes_GET_SIZE(name_data);
    struct text *text;

    for (size_t i = 0; i < env.n_texts; i++)
        if (env.texts[i].n_name == n_name && memcmp(env.texts[i].bytes, name, n_name) == 0)
            return &env.texts[i];
    if (env.n_texts == TEXTS_MAX)
        return NULL;
    text = &env.texts[env.n_texts++];
    text->n_name = n_name;
    text->size = n_name + 2;
    text->bytes = xmalloc(text->size);
    memcpy(text->bytes, name, n_name);
    memcpy(text->bytes + n_name, "=", 2);
    return text;
}

static void set_text(struct text *text, const char *value, size_t n)
{
    size_t n_head = text->n_name + 1;
    bool fits = n_head + n + 1 <= text->size;

    if (!fits) {
        char *grown;

        text->size = 2 * (n_head + n + 1);
        grown = xmalloc(text->size);
        memcpy(grown, text->bytes, n_head);
        text->bytes = grown; /* the former one is left to whoever still reads it */
    }
    memcpy(text->bytes + n_head, value, n);
    text->bytes[n_head + n] = '\0';
    if (!is_in_environment(text->bytes))
        (void)putenv(text->bytes); /* the user's code has set it, or nobody yet */
}

/* ---- following ---- */

static bool set_variable(struct variable *variable, PyObject *data)
{
    if (PyDict_SetItem(env.data, variable->name_data, data) < 0)
        return false;
    set_text(variable->text, PyBytes_AS_STRING(data), (size_t)PyBytes_GET_SIZE(data));
    return true;
}

static bool update(struct variable *variable, const struct member *member)
{
    PyObject *data;

    if (member->same) {
        PyObject *found = PyDict_GetItemWithError(env.data, variable->name_data);

        /* That the user's code left it alone is seen by its being the same object. */
        return found == variable->shown || set_variable(variable, variable->shown);
    }
    data = PyBytes_FromStringAndSize(member->raw + 1, (Py_ssize_t)member->n_raw - 2);
    if (data == NULL)
        return false;
    Py_SETREF(variable->shown, data);
    memcpy(variable->raw, member->raw, member->n_raw);
    variable->n_raw = member->n_raw;
    variable->changed = true;
    return set_variable(variable, data);
}

/* Whether it is enough to set what differs. */
static bool is_known(const struct request *request)
{
    static PyObject *name;

    if (!env.known || env.n_variables != request->n_members)
        return false;
    for (size_t i = 0; i < request->n_members; i++) {
        const struct member *member = &request->members[i];

        if (!member->same && !(member->known && member->plain && member->n_raw <= RAW_MAX_BYTES))
            return false;
    }
    if (name == NULL)
        name = PyUnicode_InternFromString("environ");
    return name != NULL && PyDict_GetItemWithError(env.os, name) == env.environ;
}

/* ---- by Python ---- */

bool environment_leave(void)
{
    for (size_t i = 0; i < env.n_variables; i++) {
        struct variable *variable = &env.variables[i];
        PyObject *text, *entry;
        int status;

        if (!variable->changed)
            continue;
        text = PyUnicode_DecodeASCII(PyBytes_AS_STRING(variable->shown),
                                     PyBytes_GET_SIZE(variable->shown), "strict");
        entry = text == NULL
                    ? NULL
                    : PyTuple_Pack(4, text, variable->name_data, variable->shown, variable->name);
        Py_XDECREF(text);
        if (entry == NULL)
            return false;
        status = PyDict_SetItem(env.entries, variable->key_text, entry);
        Py_DECREF(entry);
        if (status < 0)
            return false;
    }
    forget();
    return true;
}

static PyObject *make_items(const struct request *request)
{
    PyObject *items = PyDict_New();

    for (size_t i = 0; items != NULL && i < request->n_members; i++) {
        const struct member *member = &request->members[i];
        const uint8_t *at = (const uint8_t *)member->raw;
        PyObject *item = decode_value(&at, at + member->n_raw);
        PyObject *key =
            PyUnicode_DecodeASCII(member->key + 1, (Py_ssize_t)member->n_key - 2, "strict");

        if (item == NULL || key == NULL || PyDict_SetItem(items, key, item) < 0)
            Py_CLEAR(items);
        Py_XDECREF(item);
        Py_XDECREF(key);
    }
    if (items == NULL && PyErr_Occurred() == NULL)
        (void)PyErr_NoMemory(); /* what was read once can be read again */
    return items;
}

/* Note what Python made of a member. false: it has no variable, or is too long. */
static bool learn(const struct member *member)
{
    struct variable *variable = &env.variables[env.n_variables];
    PyObject *key = PyUnicode_DecodeASCII(member->key + 1, (Py_ssize_t)member->n_key - 2, "strict");
    PyObject *entry = key != NULL ? PyDict_GetItemWithError(env.entries, key) : NULL;
    struct text *text = NULL;

    if (entry != NULL && PyTuple_CheckExact(entry) && PyTuple_GET_SIZE(entry) == 4 &&
        member->n_raw <= RAW_MAX_BYTES && PyBytes_CheckExact(PyTuple_GET_ITEM(entry, 1)) &&
        PyBytes_GET_SIZE(PyTuple_GET_ITEM(entry, 1)) > 0 &&
        PyBytes_CheckExact(PyTuple_GET_ITEM(entry, 2)))
        text = text_of(PyTuple_GET_ITEM(entry, 1));
    if (text == NULL) {
        Py_XDECREF(key);
        return false;
    }
    *variable = (struct variable){.n_key = member->n_key,
                                  .n_raw = member->n_raw,
                                  .key_text = key,
                                  .name_data = PyTuple_GET_ITEM(entry, 1),
                                  .shown = PyTuple_GET_ITEM(entry, 2),
                                  .name = PyTuple_GET_ITEM(entry, 3),
                                  .text = text};
    Py_INCREF(variable->name_data);
    Py_INCREF(variable->shown);
    Py_INCREF(variable->name);
    variable->key = xmalloc(member->n_key);
    memcpy(variable->key, member->key, member->n_key);
    memcpy(variable->raw, member->raw, member->n_raw);
    env.n_variables++;
    return true;
}

static bool show_by_python(const struct request *request)
{
    PyObject *items, *done = NULL;
    Py_ssize_t n = 0;

    if (!environment_leave())
        return false;
    items = make_items(request);
    if (items != NULL) {
        n = PyDict_GET_SIZE(items);
        done = PyObject_CallMethod(env.metadata, "show", "(O)", items);
        Py_DECREF(items);
    }
    if (done == NULL)
        return false;
    Py_DECREF(done);
    env.known = n == (Py_ssize_t)request->n_members; /* else a key came twice */
    for (size_t i = 0; env.known && i < request->n_members; i++)
        env.known = learn(&request->members[i]);
    if (!env.known)
        forget();
    PyErr_Clear();
    return true;
}

bool environment_show(const struct request *request)
{
    assert(env.metadata != NULL);
    if (!is_known(request))
        return show_by_python(request);
    for (size_t i = 0; i < request->n_members; i++)
        if (!update(&env.variables[i], &request->members[i]))
            return false;
    return true;
}

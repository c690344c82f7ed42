/*
 * environment - set an activation's metadata as environment variables, like class Metadata of
 * whiskloop_launcher.py.
 *
 * That class decides which variable a key gets, which keys get none, and what to restore. This file
 * remembers what the class made of the last line. As long as the next lines have the same keys, it
 * only sets the values that differ. Before the class works again, it is told what was set here.
 *
 * setenv() would leak each value, because it cannot know who still reads it. So we own the texts,
 * give them to putenv(), and overwrite each in place if the new value fits.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "base/util.h"
#include "inside.h"

#define TEXTS_MAX     64   /* most variables in a process's life; with more, Python does the work */
#define RAW_MAX_BYTES 4096 /* longest value that is remembered */

/* A variable's text, as given to putenv(). */
struct text {
    char *bytes; /* owned; "NAME=value", never freed once it is in the environment */
    size_t size;
    size_t n_name;
};

struct variable {
    char *key; /* owned; the member's key, with its quotes */
    size_t n_key;
    char raw[RAW_MAX_BYTES]; /* the value's JSON text in the last line */
    size_t n_raw;
    PyObject *key_text;  /* owned, like the next three; the member's key, as in Metadata.shown */
    PyObject *name;      /* the variable's name as str */
    PyObject *name_data; /* the variable's name as bytes, its key in env.data */
    PyObject *shown;     /* the variable's value as bytes, as set in env.data */
    struct text *text;   /* borrowed from env.texts */
    bool changed;        /* `shown` has a new value, which Metadata.shown does not have yet */
};

static struct {
    PyObject *metadata; /* owned, like the next four; the launcher's object of class Metadata */
    PyObject *entries;  /* the dictionary Metadata.shown */
    PyObject *os;       /* the dictionary of module os */
    PyObject *environ;  /* the object that os.environ was at the start */
    PyObject *data;     /* the dictionary inside `environ`, bytes to bytes */
    struct variable *variables;
    size_t n_variables;
    bool known; /* `variables` has all metadata that the environment shows */
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

bool environment_open(PyObject *metadata, PyObject *os)
{
    assert(env.metadata == NULL);
    Py_INCREF(metadata);
    env.metadata = metadata;
    env.entries = PyObject_GetAttrString(metadata, "shown");
    env.environ = PyObject_GetAttrString(metadata, "environ");
    env.data = PyObject_GetAttrString(metadata, "data");
    Py_INCREF(os);
    env.os = os;
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

    /* Only a string marks its own end. Behind any other value a delimiter must follow: a 1 that was
     * remembered is also the start of 12. */
    if ((size_t)(end - at) < n_raw || memcmp(variable->raw, at, n_raw) != 0)
        return false;
    if (variable->raw[0] != '"' && (size_t)(end - at) > n_raw && !is_space(at[n_raw]) &&
        at[n_raw] != ',' && at[n_raw] != '}')
        return false;
    *n = n_raw;
    return true;
}

/* ---- the C library's environment ---- */

/* The text of the variable with that name; made here if it is new. NULL: there are too many. */
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
        text->bytes = grown; /* the old text is not freed: somebody may still read it */
    }
    memcpy(text->bytes + n_head, value, n);
    text->bytes[n_head + n] = '\0';
    if (!env_holds(text->bytes))
        (void)putenv(text->bytes); /* it is new, or the user's code has replaced it */
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

        /* If this is the same object, the user's code has not changed the variable. */
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

/* Whether the request has the keys of the last one, so that only differing values must be set. */
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
        (void)PyErr_NoMemory(); /* decoding has worked before, so memory is short */
    return items;
}

/* Remember which variable Python's code has set for a member. false: it has set none, the value is
 * too long, or there are too many variables. */
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
    env.known = n == (Py_ssize_t)request->n_members; /* else a key occurs twice */
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

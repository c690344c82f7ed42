/*
 * encode - Python objects to JSON, byte for byte as the launcher's own encoder writes them:
 * compact, and with Unicode characters unescaped.
 *
 * Only objects of exactly the types that JSON has are encoded here. Subclasses, objects that need a
 * default(), keys to convert and values that JSON lacks are left to Python. Neither the user's code
 * nor the garbage collector runs in here, so the objects cannot change meanwhile.
 */

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/scan.h"
#include "base/utf8.h"
#include "inside.h"

#define NUMBER_BYTES 24  /* enough for any long long with its sign */
#define ESCAPE_BYTES 6   /* longest escape of one character */
#define RUN          256 /* room is made for this many characters at a time */

/* A dict, list or tuple that is being encoded. */
struct level {
    PyObject *container; /* borrowed */
    Py_ssize_t at;       /* index of the next item; in a dict, the position of PyDict_Next() */
    bool filled;
};

static inline void put(struct buf *out, const char *text, size_t n)
{
    memcpy(buf_room(out, n), text, n);
    out->end += n;
}

/* ---- texts ---- */

/* Append the escape for c, which is below 0x20, a quote or a backslash. */
static void put_escape(struct buf *out, unsigned c)
{
    static const char digits[] = "0123456789abcdef";
    char text[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};

    switch (c) {
    case '"':
    case '\\':
        text[1] = (char)c;
        break;
    case '\b':
        text[1] = 'b';
        break;
    case '\f':
        text[1] = 'f';
        break;
    case '\n':
        text[1] = 'n';
        break;
    case '\r':
        text[1] = 'r';
        break;
    case '\t':
        text[1] = 't';
        break;
    default:
        put(out, text, 6);
        return;
    }
    put(out, text, 2);
}

static void put_ascii(struct buf *out, const uint8_t *at, size_t n)
{
    const uint8_t *start = at;
    const uint8_t *end = at + n;

    for (;;) {
        const uint8_t *from = at;

        at = scan_special(start, at, end);
        put(out, (const char *)from, (size_t)(at - from));
        if (at == end)
            break;
        put_escape(out, *at++); /* in ASCII, scan_special() finds only what needs one */
    }
}

/* Append a text that is not only ASCII. false: it contains half a surrogate pair. */
static bool put_unicode(struct buf *out, PyObject *text)
{
    int kind = (int)PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    Py_ssize_t n = PyUnicode_GET_LENGTH(text);

    for (Py_ssize_t i = 0; i < n; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, data, i);

        if (i % RUN == 0)
            (void)buf_room(out, (size_t)RUN * ESCAPE_BYTES);
        if (c >= 0xd800 && c <= 0xdfff)
            return false;
        if (c < 0x20 || c == '"' || c == '\\')
            put_escape(out, c);
        else
            out->end += utf8_put(c, out->bytes + out->end);
    }
    return true;
}

static bool put_text(struct buf *out, PyObject *text)
{
    if (!PyUnicode_IS_READY(text) || (size_t)PyUnicode_GET_LENGTH(text) > ANSWER_MAX_BYTES)
        return false;
    put(out, "\"", 1);
    if (PyUnicode_IS_COMPACT_ASCII(text))
        put_ascii(out, PyUnicode_1BYTE_DATA(text), (size_t)PyUnicode_GET_LENGTH(text));
    else if (!put_unicode(out, text))
        return false;
    put(out, "\"", 1);
    return true;
}

/* ---- numbers ---- */

static bool put_int(struct buf *out, PyObject *object)
{
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(object, &overflow);
    unsigned long long rest =
        number < 0 ? 0 - (unsigned long long)number : (unsigned long long)number;
    char text[NUMBER_BYTES], *at = text + sizeof(text);

    if (overflow != 0)
        return false;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0)
        *--at = '-';
    put(out, at, (size_t)(text + sizeof(text) - at));
    return true;
}

static bool put_float(struct buf *out, PyObject *object)
{
    double number = PyFloat_AS_DOUBLE(object);
    char *text;

    if (!isfinite(number))
        return false;
    text = PyOS_double_to_string(number, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (text == NULL)
        return false;
    put(out, text, strlen(text));
    PyMem_Free(text);
    return true;
}

/* ---- containers ---- */

/* Set *item to the next item of a level, and append what stands before it: a comma, and in a dict
 * the key. 1; 0: there is no more; -1: the key is not a string, or cannot be encoded. */
static int next_item(struct buf *out, struct level *level, PyObject **item)
{
    PyObject *key = NULL;

    if (PyDict_CheckExact(level->container)) {
        if (!PyDict_Next(level->container, &level->at, &key, item))
            return 0;
        if (!PyUnicode_CheckExact(key))
            return -1;
    } else if (level->at == PySequence_Fast_GET_SIZE(level->container)) {
        return 0;
    } else {
        *item = PySequence_Fast_GET_ITEM(level->container, level->at);
        level->at++;
    }
    if (level->filled)
        put(out, ",", 1);
    level->filled = true;
    if (key == NULL)
        return 1;
    if (!put_text(out, key))
        return -1;
    put(out, ":", 1);
    return 1;
}

/* Append an object that is neither a string nor a container. false: it is left to Python. */
static bool put_scalar(struct buf *out, PyObject *object)
{
    if (object == Py_None)
        put(out, "null", 4);
    else if (object == Py_True)
        put(out, "true", 4);
    else if (object == Py_False)
        put(out, "false", 5);
    else if (PyLong_CheckExact(object))
        return put_int(out, object);
    else if (PyFloat_CheckExact(object))
        return put_float(out, object);
    else
        return false;
    return true;
}

static bool is_container(PyObject *object)
{
    return PyDict_CheckExact(object) || PyList_CheckExact(object) || PyTuple_CheckExact(object);
}

static bool encode(struct buf *out, PyObject *object)
{
    struct level levels[NESTING_MAX];
    size_t depth = 0;
    int found;

    for (;;) {
        if (PyUnicode_CheckExact(object)) {
            if (!put_text(out, object))
                return false;
        } else if (!is_container(object)) {
            if (!put_scalar(out, object))
                return false;
        } else if (depth == NESTING_MAX) {
            return false;
        } else {
            put(out, PyDict_CheckExact(object) ? "{" : "[", 1);
            levels[depth++] = (struct level){.container = object};
        }
        for (found = 0; depth > 0; depth--) {
            struct level *top = &levels[depth - 1];

            found = next_item(out, top, &object);
            if (found != 0)
                break;
            put(out, PyDict_CheckExact(top->container) ? "}" : "]", 1);
        }
        if (found <= 0 || buf_len(out) > ANSWER_MAX_BYTES)
            return found == 0;
    }
}

bool encode_document(struct buf *out, PyObject *document)
{
    bool good = encode(out, document);

    if (!good)
        PyErr_Clear();
    return good;
}

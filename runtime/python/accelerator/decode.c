/*
 * decode - JSON to Python objects, as json.loads() makes them.
 *
 * It is made for what requests usually contain: short keys that recur, strings in ASCII, small
 * numbers. Rare or wrong input is left to Python, which decodes the whole line and words the error.
 */

#include <assert.h>
#include <string.h>

#include "base/json_text.h"
#include "base/scan.h"
#include "base/utf8.h"
#include "base/util.h"
#include "inside.h"

#define KEYS           512 /* size of the table of kept keys; a power of two */
#define KEY_MAX_BYTES  32
#define DIGITS_MAX     18 /* an integer with this many digits fits a long long */
#define NUMBER_MAX     40 /* longest number decoded here, in bytes */
#define EXPONENT_MAX   3  /* an exponent with more digits is taken for a huge one */
#define EXACT_MANTISSA (INT64_C(1) << 53)
#define EXACT_POWER    22 /* powers of ten up to this one are exact as a double */

struct decoder {
    const uint8_t *at;
    const uint8_t *end;
    struct level {
        PyObject *container; /* owned */
        PyObject *key;       /* owned; key of the member that is being read; NULL in a list */
    } levels[NESTING_MAX];
    size_t depth;
};

static PyObject *keys[KEYS]; /* owned; keys kept as objects, because they recur */

/* ---- texts ---- */

static PyObject *make_ascii(const uint8_t *text, size_t n)
{
    PyObject *object;

    if (n == 1)
        return PyUnicode_FromOrdinal(text[0]); /* Python keeps an object for each */
    object = PyUnicode_New((Py_ssize_t)n, 127);
    if (object != NULL && n > 0)
        memcpy(PyUnicode_1BYTE_DATA(object), text, n);
    return object;
}

static size_t hash_key(const uint8_t *text, size_t n)
{
    uint32_t hash = (uint32_t)n;

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ text[i]) * 16777619u;
    return (hash ^ hash >> 15) % KEYS;
}

/* A key as an object: the kept one, or a new one, which is kept now. New reference. */
static PyObject *make_key(const uint8_t *text, size_t n)
{
    PyObject **kept, *object;

    if (n > KEY_MAX_BYTES)
        return make_ascii(text, n);
    kept = &keys[hash_key(text, n)];
    object = *kept;
    if (object == NULL || (size_t)PyUnicode_GET_LENGTH(object) != n ||
        memcmp(PyUnicode_1BYTE_DATA(object), text, n) != 0) {
        object = make_ascii(text, n);
        if (object == NULL)
            return NULL;
        Py_XDECREF(*kept);
        *kept = object;
    }
    Py_INCREF(object);
    return object;
}

/* Decode the four hex digits at *at, behind a "\u", to a character; for a surrogate pair also the
 * second "\u". Moves *at behind them. -1: bad digits, half a pair, or the text ends. */
static int unescape_code(const uint8_t **at, const uint8_t *end)
{
    int code[2] = {0, 0};

    for (int half = 0; half < 2; half++) {
        if (end - *at < 4)
            return -1;
        for (int i = 0; i < 4; i++) {
            int digit = hex_value(*(*at)++);

            if (digit < 0)
                return -1;
            code[half] = code[half] << 4 | digit;
        }
        if (half == 0 && (code[0] < 0xd800 || code[0] > 0xdfff))
            return code[0];
        if (half == 0 && (code[0] > 0xdbff || end - *at < 2 || (*at)[0] != '\\' || (*at)[1] != 'u'))
            return -1;
        *at += half == 0 ? 2 : 0;
    }
    if (code[1] < 0xdc00 || code[1] > 0xdfff)
        return -1;
    return 0x10000 + ((code[0] - 0xd800) << 10) + (code[1] - 0xdc00);
}

/* Decode the escape at *at, behind a backslash, to UTF-8 in out, and move *at behind it. Returns
 * the length; 0: this is not a valid escape. */
static size_t unescape(const uint8_t **at, const uint8_t *end, char out[4])
{
    static const char letter[] = "\"\\/bfnrt", plain[] = "\"\\/\b\f\n\r\t";
    const char *found;
    int code;

    if (*at == end || **at == '\0')
        return 0;
    if (**at == 'u') {
        ++*at;
        code = unescape_code(at, end);
        return code < 0 ? 0 : utf8_put((unsigned)code, out);
    }
    found = strchr(letter, *(*at)++);
    if (found == NULL)
        return 0;
    out[0] = plain[found - letter];
    return 1;
}

/* Decode a string with escapes or characters beyond ASCII. first: behind its opening quote; d->at:
 * the first byte that is not plain. */
static PyObject *decode_rare_text(struct decoder *d, const uint8_t *first)
{
    struct buf text = {0};
    const uint8_t *from = first;
    PyObject *object = NULL;
    char escaped[4];

    for (;;) {
        while (d->at < d->end && *d->at >= 0x80)
            d->at++; /* PyUnicode_DecodeUTF8() checks it below */
        d->at = scan_special(first, d->at, d->end);
        if (d->at == d->end || *d->at < 0x20)
            break;
        if (*d->at >= 0x80)
            continue;
        if (*d->at == '\\' || buf_len(&text) > 0)
            buf_add(&text, from, (size_t)(d->at - from));
        if (*d->at == '"') {
            const char *whole = buf_len(&text) > 0 ? buf_at(&text) : (const char *)from;
            size_t n = buf_len(&text) > 0 ? buf_len(&text) : (size_t)(d->at - from);

            object = PyUnicode_DecodeUTF8(whole, (Py_ssize_t)n, "strict");
            d->at++;
            break;
        }
        d->at++;
        size_t n = unescape(&d->at, d->end, escaped);
        if (n == 0)
            break;
        buf_add(&text, escaped, n);
        from = d->at;
    }
    buf_done(&text);
    return object;
}

/* Decode the string whose opening quote is at d->at. is_key: as an object that is kept. */
static inline PyObject *decode_text(struct decoder *d, bool is_key)
{
    const uint8_t *first = d->at + 1;

    d->at = scan_special(first, first, d->end);
    if (d->at == d->end)
        return NULL;
    if (*d->at == '"') {
        size_t n = (size_t)(d->at++ - first);

        return is_key ? make_key(first, n) : make_ascii(first, n);
    }
    return decode_rare_text(d, first);
}

/* ---- numbers and words ---- */

/* Make the float that PyFloat_FromString() makes of the text, by one multiplication or division if
 * that is exact. */
static PyObject *make_float(const uint8_t *text, size_t n, int64_t mantissa, size_t n_digits,
                            long power)
{
    static const double powers[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    char spelled[NUMBER_MAX + 1];
    double number;

    if (n_digits <= DIGITS_MAX && mantissa <= EXACT_MANTISSA && power >= -EXACT_POWER &&
        power <= EXACT_POWER) {
        number = power < 0 ? (double)mantissa / powers[-power] : (double)mantissa * powers[power];
        return PyFloat_FromDouble(*text == '-' ? -number : number);
    }
    memcpy(spelled, text, n);
    spelled[n] = '\0';
    number = PyOS_string_to_double(spelled, NULL, NULL);
    if (number == -1.0 && PyErr_Occurred() != NULL)
        return NULL;
    return PyFloat_FromDouble(number);
}

/* Step over digits, append them to *mantissa and return their number. n_before: digits that it has
 * already. If there are more than DIGITS_MAX, *mantissa is not usable. */
static size_t take_digits(const uint8_t **at, const uint8_t *end, int64_t *mantissa,
                          size_t n_before)
{
    const uint8_t *first = *at;

    for (; *at < end && **at >= '0' && **at <= '9'; ++*at)
        if (n_before + (size_t)(*at - first) < DIGITS_MAX)
            *mantissa = *mantissa * 10 + (**at - '0');
    return (size_t)(*at - first);
}

static PyObject *decode_number(struct decoder *d)
{
    const uint8_t *first = d->at, *at = first, *end = d->end;
    int64_t mantissa = 0, exponent = 0;
    size_t n_whole, n_fraction = 0, n_exponent;
    bool whole = true, lowers = false;

    if (end - at > NUMBER_MAX)
        end = at + NUMBER_MAX;
    at += *at == '-';
    if (at < end && *at == '0') {
        at++;
        n_whole = 1;
    } else if ((n_whole = take_digits(&at, end, &mantissa, 0)) == 0) {
        return NULL;
    }
    if (at < end && *at == '.') {
        at++;
        n_fraction = take_digits(&at, end, &mantissa, n_whole);
        if (n_fraction == 0)
            return NULL;
        whole = false;
    }
    if (at < end && (*at | 0x20) == 'e') {
        at++;
        lowers = at < end && *at == '-';
        at += at < end && (*at == '-' || *at == '+');
        n_exponent = take_digits(&at, end, &exponent, 0);
        if (n_exponent == 0)
            return NULL;
        if (n_exponent > EXPONENT_MAX)
            exponent = INT16_MAX; /* outside of the exact range */
        whole = false;
    }
    if (at == end && end < d->end)
        return NULL; /* longer than NUMBER_MAX */
    d->at = at;
    if (!whole)
        return make_float(first, (size_t)(at - first), mantissa, n_whole + n_fraction,
                          (long)(lowers ? -exponent : exponent) - (long)n_fraction);
    if (n_whole > DIGITS_MAX)
        return NULL;
    return PyLong_FromLongLong(*first == '-' ? -mantissa : mantissa);
}

static PyObject *decode_word(struct decoder *d)
{
    static const struct {
        char text[6];
        size_t n;
    } words[] = {{"true", 4}, {"false", 5}, {"null", 4}};
    size_t word = *d->at == 't' ? 0 : *d->at == 'f' ? 1 : 2;
    PyObject *object = word == 0 ? Py_True : word == 1 ? Py_False : Py_None;

    if ((size_t)(d->end - d->at) < words[word].n ||
        memcmp(d->at, words[word].text, words[word].n) != 0)
        return NULL;
    d->at += words[word].n;
    Py_INCREF(object);
    return object;
}

/* ---- containers ---- */

/* Decode a key and its colon. The key becomes that of the top level. d->at: the opening quote. */
static bool decode_key(struct decoder *d)
{
    struct level *top = &d->levels[d->depth - 1];

    assert(top->key == NULL);
    if (d->at == d->end || *d->at != '"')
        return false;
    top->key = decode_text(d, true);
    if (top->key == NULL)
        return false;
    d->at = skip_space(d->at, d->end);
    if (d->at == d->end || *d->at != ':')
        return false;
    d->at = skip_space(d->at + 1, d->end);
    return true;
}

/* Add a value to the container of the top level. Takes over the reference. */
static bool put(struct decoder *d, PyObject *value)
{
    struct level *top = &d->levels[d->depth - 1];
    int status;

    if (top->key != NULL) {
        status = PyDict_SetItem(top->container, top->key, value);
        Py_CLEAR(top->key);
    } else {
        status = PyList_Append(top->container, value);
    }
    Py_DECREF(value);
    return status == 0;
}

/* Read what follows a value, up to the start of the next one. *value: the container, if it has
 * ended, else NULL. false: not valid JSON. */
static bool decode_after(struct decoder *d, PyObject **value)
{
    struct level *top = &d->levels[d->depth - 1];
    bool is_list = PyList_CheckExact(top->container);

    *value = NULL;
    d->at = skip_space(d->at, d->end);
    if (d->at == d->end)
        return false;
    if (*d->at == ',') {
        d->at = skip_space(d->at + 1, d->end);
        return is_list || decode_key(d);
    }
    if (*d->at++ != (is_list ? ']' : '}'))
        return false;
    *value = top->container;
    d->depth--;
    return true;
}

/* Begin an object or array. *value: the container, if it is empty, else NULL. false: not valid
 * JSON, or nested too deep. */
static bool decode_opening(struct decoder *d, PyObject **value)
{
    bool is_list = *d->at == '[';
    PyObject *container = NULL;

    *value = NULL;
    if (d->depth == NESTING_MAX)
        return false;
    container = is_list ? PyList_New(0) : PyDict_New();
    if (container == NULL)
        return false;
    d->at = skip_space(d->at + 1, d->end);
    if (d->at < d->end && *d->at == (is_list ? ']' : '}')) {
        d->at++;
        *value = container;
        return true;
    }
    d->levels[d->depth++] = (struct level){container, NULL};
    return is_list || decode_key(d);
}

/* Decode a scalar, or begin an object or array. *value: the scalar or empty container, else NULL.
 * false: left to Python. */
static inline bool decode_one(struct decoder *d, PyObject **value)
{
    if (d->at == d->end)
        return false;
    switch (*d->at) {
    case '"':
        *value = decode_text(d, false);
        break;
    case '{':
    case '[':
        return decode_opening(d, value);
    case 't':
    case 'f':
    case 'n':
        *value = decode_word(d);
        break;
    default:
        *value = decode_number(d);
    }
    return *value != NULL;
}

PyObject *decode_value(const uint8_t **at, const uint8_t *end)
{
    struct decoder d;
    PyObject *value;
    bool good;

    d.at = *at;
    d.end = end;
    d.depth = 0;
    do {
        good = decode_one(&d, &value);
        while (good && value != NULL && d.depth > 0) {
            good = put(&d, value);
            value = NULL;
            good = good && decode_after(&d, &value);
        }
    } while (good && d.depth > 0);
    if (good) {
        *at = d.at;
        return value;
    }
    while (d.depth > 0) {
        d.depth--;
        Py_DECREF(d.levels[d.depth].container);
        Py_XDECREF(d.levels[d.depth].key);
    }
    PyErr_Clear(); /* Python's decoder will raise it again */
    return NULL;
}

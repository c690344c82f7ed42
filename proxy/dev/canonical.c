#include "dev/canonical.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/util.h"
#include "dev/text.h"

#define INDENT       2
#define EXPONENT_MAX INT64_C(1000000000000) /* exponents are clamped to +/- this */
/* A number 0.DIGITS * 10^point is written without an exponent if POINT_MIN <= point <= POINT_MAX,
 * that is, from 0.000001 to below 1e21. A larger number is written so, too, if DIGITS has at least
 * `point` digits. */
#define POINT_MIN (-5)
#define POINT_MAX 21

struct member {
    struct buf name; /* the key as a JSON string, quoted anew: equal keys are equal texts */
    struct json_slice value;
    size_t place; /* position among the object's members */
};

/* ---- numbers ---- */

/* The exponent in the n bytes behind the "e" of a number. */
static int64_t read_exponent(const char *text, size_t n)
{
    bool is_negative = n > 0 && text[0] == '-';
    int64_t exponent = 0;

    for (size_t i = 0; i < n && exponent < EXPONENT_MAX; i++)
        if (isdigit((unsigned char)text[i]))
            exponent = 10 * exponent + (text[i] - '0');
    if (exponent > EXPONENT_MAX)
        exponent = EXPONENT_MAX;
    return is_negative ? -exponent : exponent;
}

static void add_zeros(struct buf *out, int64_t n)
{
    while (n-- > 0)
        buf_add_text(out, "0");
}

/* Append the number 0.DIGITS times ten to the power `point`. */
static void add_digits(struct buf *out, const char *digits, size_t n, int64_t point)
{
    if (point > 0 && (point <= POINT_MAX || point <= (int64_t)n)) {
        size_t n_whole = point < (int64_t)n ? (size_t)point : n;

        buf_add(out, digits, n_whole);
        add_zeros(out, point - (int64_t)n_whole);
        if (n > n_whole)
            text_add(out, ".%.*s", (int)(n - n_whole), digits + n_whole);
    } else if (point <= 0 && point >= POINT_MIN) {
        buf_add_text(out, "0.");
        add_zeros(out, -point);
        buf_add(out, digits, n);
    } else {
        text_add(out, n > 1 ? "%.1s.%.*s" : "%.1s%.*s", digits, (int)(n - 1), digits + 1);
        text_add(out, "e%" PRId64, point - 1);
    }
}

/* Append a number. All numbers of the same value give the same text: 1.0 and 1e0 become 1. */
static void add_number(struct buf *out, struct json_slice number)
{
    auto_buf struct buf all = {0};
    const char *digits;
    size_t i = number.text[0] == '-', n;
    int64_t point = 0;
    bool is_whole = true;

    for (; i < number.n && tolower((unsigned char)number.text[i]) != 'e'; i++) {
        if (number.text[i] == '.') {
            is_whole = false;
            continue;
        }
        buf_add(&all, number.text + i, 1);
        point += is_whole;
    }
    if (i < number.n)
        point += read_exponent(number.text + i + 1, number.n - i - 1);
    digits = buf_at(&all);
    n = buf_len(&all);
    for (; n > 0 && digits[0] == '0'; digits++, n--)
        point--;
    while (n > 0 && digits[n - 1] == '0')
        n--;
    if (n == 0) {
        buf_add_text(out, "0");
        return;
    }
    buf_add_text(out, number.text[0] == '-' ? "-" : "");
    add_digits(out, digits, n, point);
}

/* ---- other values ---- */

static void add_value(struct buf *out, struct json_slice value, unsigned depth);

static void add_string(struct buf *out, struct json_slice string)
{
    auto_free char *plain = xmalloc(string.n);

    json_quote(out, plain, json_unescape(string, plain));
}

static void add_line(struct buf *out, unsigned depth)
{
    text_add(out, "\n%*s", (int)(INDENT * depth), "");
}

static void add_array(struct buf *out, struct json_slice array, unsigned depth)
{
    struct json_slice item;
    size_t at = 0;
    bool any = false;

    buf_add_text(out, "[");
    for (; json_next_item(array, &at, &item); any = true) {
        buf_add_text(out, any ? "," : "");
        add_line(out, depth + 1);
        add_value(out, item, depth + 1);
    }
    if (any)
        add_line(out, depth);
    buf_add_text(out, "]");
}

static int compare_members(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    size_t n_x = buf_len(&x->name), n_y = buf_len(&y->name);
    int order = memcmp(buf_at(&x->name), buf_at(&y->name), n_x < n_y ? n_x : n_y);

    if (order == 0)
        order = (n_x > n_y) - (n_x < n_y);
    return order != 0 ? order : (x->place > y->place) - (x->place < y->place);
}

/* Append an object. Of several members with the same name, only the last one is written. */
static void add_object(struct buf *out, struct json_slice object, unsigned depth)
{
    struct member *members = NULL;
    struct json_slice key, value;
    size_t at = 0, n = 0, room = 0;
    bool any = false;

    while (json_next_member(object, &at, &key, &value)) {
        if (n == room) {
            room = room > 0 ? 2 * room : 8;
            members = xrealloc(members, room * sizeof(*members));
        }
        members[n] = (struct member){.value = value, .place = n};
        add_string(&members[n++].name, key);
    }
    if (n > 0)
        qsort(members, n, sizeof(*members), compare_members);
    buf_add_text(out, "{");
    for (size_t i = 0; i < n; i++) {
        struct buf *name = &members[i].name;

        if (i + 1 == n || buf_len(name) != buf_len(&members[i + 1].name) ||
            memcmp(buf_at(name), buf_at(&members[i + 1].name), buf_len(name)) != 0) {
            buf_add_text(out, any ? "," : "");
            any = true;
            add_line(out, depth + 1);
            buf_add(out, buf_at(name), buf_len(name));
            buf_add_text(out, ": ");
            add_value(out, members[i].value, depth + 1);
        }
        buf_done(name);
    }
    if (any)
        add_line(out, depth);
    buf_add_text(out, "}");
    free(members);
}

static void add_value(struct buf *out, struct json_slice value, unsigned depth)
{
    assert(depth <= JSON_DEPTH_MAX);
    switch (value.kind) {
    case JSON_OBJECT:
        add_object(out, value, depth);
        break;
    case JSON_ARRAY:
        add_array(out, value, depth);
        break;
    case JSON_STRING:
        add_string(out, value);
        break;
    case JSON_NUMBER:
        add_number(out, value);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
    case JSON_BAD:
        buf_add(out, value.text, value.n);
        break;
    }
}

char *canonical_json(const char *text, size_t n)
{
    auto_buf struct buf out = {0};

    if (json_check(text, n, NULL) == JSON_BAD)
        return NULL;
    add_value(&out, json_top(text, n), 0);
    return xstrndup(buf_at(&out), buf_len(&out));
}

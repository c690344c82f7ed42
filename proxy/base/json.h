#pragma once

/*
 * json - check a JSON document and find parts of it, without building a tree.
 *
 * Each activation is sent to the action as one line. That relies on json_check(): a text that
 * passes it is one document of RFC 8259 in strict UTF-8, so a newline in it is only white space and
 * may be replaced by a blank. A slice is a part of a document; it points into the document's text.
 * The functions on slices work on checked documents only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

#define JSON_DEPTH_MAX 1024 /* maximum nesting depth; Python's parser gives up at about 1000 */

enum json_kind {
    JSON_BAD, /* not a valid document */
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

/* The kind of a checked value, told by its first byte. */
static inline enum json_kind json_kind_of(uint8_t first)
{
    switch (first) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

/* Where and why a text is not a JSON document. */
struct json_fault {
    size_t at;        /* byte offset; the length of the text if it ends too early */
    const char *what; /* static: "looking for beginning of value", "in string literal", ... */
};

/*
 * Check that text[0 .. n) is exactly one JSON document, white space around it allowed.
 * Returns the kind of its top level, or JSON_BAD with *fault filled (fault may be NULL).
 * Numbers of any size, duplicate keys, \u0000 and lone surrogate escapes are valid, as RFC 8259
 * allows them. Raw bytes that are not UTF-8 (overlong, surrogate, above U+10FFFF) are not.
 */
enum json_kind json_check(const char *text, size_t n, struct json_fault *fault);

/*
 * Describe a fault in one line, like "invalid character 'X' looking for beginning of value" or
 * "unexpected end of JSON input". These are the words of Go's encoding/json: OpenWhisk's test
 * suites compare them. Writes at most size bytes, always NUL-terminated. text[0 .. n): the text
 * that was checked.
 */
void json_fault_say(const struct json_fault *fault, const char *text, size_t n, char *out,
                    size_t size);

/* One JSON value inside a text that has passed json_check(): borrowed, without the white space
 * around it. */
struct json_slice {
    const char *text;
    size_t n;
    enum json_kind kind;
};

/* Like json_check(), but in the same pass also find the member `key` of the top-level object, as
 * json_member() would. If there is no such member, value->kind is JSON_BAD. */
enum json_kind json_check_member(const char *text, size_t n, struct json_fault *fault,
                                 const char *key, struct json_slice *value);

/* The value that begins at `at`, in a checked text that goes up to `end`. */
struct json_slice json_value_at(const char *at, const char *end);

/* The top-level value of a checked document. */
struct json_slice json_top(const char *text, size_t n);

/*
 * Step through the members of a checked object. Start with *at = 0; returns false at the end. *key
 * becomes the string with its quotes.
 */
bool json_next_member(struct json_slice object, size_t *at, struct json_slice *key,
                      struct json_slice *value);

/* Like json_next_member(), for the items of a checked array. */
bool json_next_item(struct json_slice array, size_t *at, struct json_slice *value);

/* Find the member `key` (plain ASCII) of a checked object; of several with this name, the last.
 * false: there is none. */
bool json_member(struct json_slice object, const char *key, struct json_slice *value);

/* Write a string slice to out without its quotes and with its escapes replaced. Returns the bytes
 * written. out has room for string.n bytes, and may be string.text or a place before it in the same
 * memory. A lone surrogate becomes U+FFFD. */
size_t json_unescape(struct json_slice string, char *out);

/* Whether a string slice, once unescaped, equals `text`. */
bool json_equals(struct json_slice string, const char *text);

/* Append text[0 .. n) as a JSON string with quotes. Bytes that are not UTF-8 become U+FFFD. */
void json_quote(struct buf *out, const char *text, size_t n);
/* Append `comma` ("," or ""), the key, a colon and the value; both slices are copied unchanged. */
void json_add_member(struct buf *out, const char *comma, struct json_slice key,
                     struct json_slice value);
/* Append {"error":"<text>"}, the body of an error answer. */
void json_add_error(struct buf *out, const char *text);

/* Append a checked slice without the white space that stands outside its strings. */
void json_compact(struct buf *out, struct json_slice slice);

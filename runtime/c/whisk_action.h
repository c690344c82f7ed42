#pragma once

/*
 * whisk_action - OpenWhisk actions in C.
 *
 *     #include <whisk_action.h>
 *
 *     int whisk_main(struct whisk *w)
 *     {
 *         return whisk_addf(w, "greeting", "Hello, %s!", whisk_get_text(w, "name", "World"));
 *     }
 *
 * The handler is called for one activation after the other. It reads the argument (a JSON object or
 * array), appends to the answer, and returns 0; with anything else, or after whisk_fail(), the
 * activation ends with {"error":"..."}. The process lives on: what is static keeps its value.
 *
 * What a function hands out lives until the handler returns, unless it says otherwise. A handler
 * may print: stdout and stderr are the activation's log. The answer leaves on another descriptor.
 *
 * Build: cc action.c $(pkg-config --cflags --libs whisk_action), or hand the source to /init.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One activation: its argument, its metadata, its answer. */
struct whisk;

/* 0: the answer is what was appended, {} when nothing was. */
typedef int whisk_handler_fn(struct whisk *w);

/* For source that is handed to /init, which makes the program: the function it looks for when no
 * other name was given. Programs that have a main() of their own call whisk_serve() in it. */
int whisk_main(struct whisk *w);

/*
 * Answer lines until the input ends; call it once, with nothing else reading standard input.
 * Returns the exit status: 0, or 1 when input or output failed (the reason is on stderr).
 */
int whisk_serve(whisk_handler_fn *handler);

/* The same for several functions: the member "method" of an activation names one; the first is
 * called without it. */
struct whisk_function {
    const char *name;
    whisk_handler_fn *handler;
};

int whisk_serve_functions(const struct whisk_function *functions, size_t n);

/* ---- reading ---- */

enum whisk_kind {
    WHISK_NONE, /* there is no such value */
    WHISK_OBJECT,
    WHISK_ARRAY,
    WHISK_STRING,
    WHISK_NUMBER,
    WHISK_TRUE,
    WHISK_FALSE,
    WHISK_NULL,
};

/* A part of the argument as it came: JSON text, not NUL-terminated. No memory of its own. */
struct whisk_value {
    const char *text;
    size_t n;
    enum whisk_kind kind;
};

/* The whole argument, an object or an array. */
struct whisk_value whisk_argument(const struct whisk *w);
/* Another member of the activation: "activation_id", "deadline", "namespace", ... The same are
 * in the environment as __OW_ACTIVATION_ID and so on. */
struct whisk_value whisk_meta(const struct whisk *w, const char *name);
/* Milliseconds until the platform gives up; INT64_MAX when nobody said. May be negative. */
int64_t whisk_ms_left(const struct whisk *w);

/* The member of that name (plain ASCII). kind WHISK_NONE: no such member, or `object` is none. */
struct whisk_value whisk_get(struct whisk_value object, const char *name);
/*
 * Step through an object's members or an array's items. *at = 0 before the first call; false at the
 * end, and for values that have no parts. key: gets the member's name as a string value; may be
 * NULL, and is WHISK_NONE for items.
 */
bool whisk_next(struct whisk_value all, size_t *at, struct whisk_value *key,
                struct whisk_value *value);

/* A string without quotes and escapes, NUL-terminated; its length in *n, which may be NULL. Any
 * other value: NULL. A string may hold NUL bytes. */
const char *whisk_text(struct whisk *w, struct whisk_value value, size_t *n);
/* false: not such a number, and *number stays. An integer may not have a fraction. */
bool whisk_int(struct whisk_value value, int64_t *number);
bool whisk_double(struct whisk_value value, double *number);

/* A member of the argument at once; `other` when it is missing or of another kind. */
const char *whisk_get_text(struct whisk *w, const char *name, const char *other);
int64_t whisk_get_int(const struct whisk *w, const char *name, int64_t other);
bool whisk_get_bool(const struct whisk *w, const char *name, bool other);

/* ---- answering ----
 *
 * Piece by piece, in order: commas, quotes and escapes are put where they belong. `key` is the
 * member's name, NULL for an array's item. A key outside of all objects begins the answer's object,
 * and whatever is still open at the return is closed.
 *
 * All return 0; or -1 when the piece cannot stand there or the answer becomes too long, which is
 * remembered: the activation ends with that error, so results need not be looked at.
 */

int whisk_begin_object(struct whisk *w, const char *key);
int whisk_begin_array(struct whisk *w, const char *key);
/* End the innermost of those. */
int whisk_end(struct whisk *w);

int whisk_add_text(struct whisk *w, const char *key, const char *text);
/* n bytes of UTF-8; what is none becomes U+FFFD. */
int whisk_add_bytes(struct whisk *w, const char *key, const char *text, size_t n);
/* A text as printf makes it. */
int whisk_addf(struct whisk *w, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int whisk_add_int(struct whisk *w, const char *key, int64_t number);
/* What JSON cannot tell, infinity and NaN, is refused. */
int whisk_add_double(struct whisk *w, const char *key, double number);
int whisk_add_bool(struct whisk *w, const char *key, bool value);
int whisk_add_null(struct whisk *w, const char *key);
/* A part of the argument, as it is. */
int whisk_add_value(struct whisk *w, const char *key, struct whisk_value value);
/* JSON text of one's own; it is checked. */
int whisk_add_json(struct whisk *w, const char *key, const char *json, size_t n);

/* A string in pieces: as many whisk_more() as needed, then whisk_end(). Characters may be cut. */
int whisk_begin_text(struct whisk *w, const char *key);
int whisk_more(struct whisk *w, const char *text, size_t n);

/*
 * Send a part of the answer, before the answer itself: the JSON text `json`, or with NULL what was
 * appended since the last part. What is appended afterwards begins anew; an activation that sends
 * parts and appends nothing afterwards has no result but its parts.
 *
 *     0   sent; or kept, where the program runs in a shell
 *     1   the caller has left: stop, clean up and return. What is sent afterwards is dropped.
 *    -1   there is no such JSON, as above
 */
int whisk_part(struct whisk *w, const char *json);

/* End the activation with {"error":"..."} instead of what was appended; the text is logged, too.
 * Returns -1, so that a handler can say `return whisk_fail(w, ...)`. */
int whisk_fail(struct whisk *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- the rest ---- */

/* Memory that is freed by itself when the handler has returned. Never NULL. */
void *whisk_alloc(struct whisk *w, size_t n);
/* One line on stderr; the newline is added. */
void whisk_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/*
 * Write out what has been printed, and answers of earlier activations that still wait: answers
 * leave in batches. Needed before _exit(), before programs are started that print (system(),
 * posix_spawn()), and before write() to descriptor 1 or 2; not for printf(), exit() and fork().
 */
void whisk_flush(void);

#ifdef __cplusplus
}
#endif

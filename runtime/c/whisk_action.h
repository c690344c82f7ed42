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
 * array), appends to the answer, and returns 0. If it returns anything else, or calls whisk_fail(),
 * the activation ends with {"error":"..."}. The process lives on, and static variables keep their
 * values.
 *
 * Pointers that these functions return are valid until the handler returns. A handler may print:
 * stdout and stderr are the activation's log. Answers are written to another descriptor.
 *
 * Build: cc action.c $(pkg-config --cflags --libs whisk_action), or send the source to /init.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One activation: its argument, its metadata, its answer. */
struct whisk;

/* Returns 0: the answer is what was appended, or {} if nothing was; anything else: a failure. */
typedef int whisk_handler_fn(struct whisk *w);

/* The handler that /init expects in source without a main(), unless it is given another name. A
 * program with a main() of its own calls whisk_serve() there. */
int whisk_main(struct whisk *w);

/*
 * Read activations from standard input, and answer them until the input ends. Call it once; nothing
 * else may read standard input. Returns the exit status: 0, or 1 if input or output failed (the
 * reason is on stderr).
 */
int whisk_serve(whisk_handler_fn *handler);

/* Like whisk_serve(), but for several functions: an activation's member "method" names the one to
 * call. Without that member, the first is called. */
struct whisk_function {
    const char *name;
    whisk_handler_fn *handler;
};

int whisk_serve_functions(const struct whisk_function *functions, size_t n);

/* ---- reading ---- */

enum whisk_kind {
    WHISK_NONE, /* there is no value */
    WHISK_OBJECT,
    WHISK_ARRAY,
    WHISK_STRING,
    WHISK_NUMBER,
    WHISK_TRUE,
    WHISK_FALSE,
    WHISK_NULL,
};

/* A part of the argument, as JSON text in the input line: borrowed, not NUL-terminated. */
struct whisk_value {
    const char *text;
    size_t n;
    enum whisk_kind kind;
};

/* The whole argument, an object or an array. */
struct whisk_value whisk_argument(const struct whisk *w);
/* A member of the activation besides its argument: "activation_id", "deadline", "namespace", ...
 * The environment has them, too, as __OW_ACTIVATION_ID and so on. */
struct whisk_value whisk_meta(const struct whisk *w, const char *name);
/* Milliseconds until the activation's deadline, negative if it has passed. INT64_MAX: there is no
 * deadline. */
int64_t whisk_ms_left(const struct whisk *w);

/* The member `name` (plain ASCII) of an object. Its kind is WHISK_NONE if there is no such member,
 * or if `object` is not an object. */
struct whisk_value whisk_get(struct whisk_value object, const char *name);
/*
 * Step through an object's members or an array's items. Set *at to 0 before the first call. false:
 * the end is reached, or `all` is neither. key: gets the member's name as a string value, or
 * WHISK_NONE for an array's item; may be NULL.
 */
bool whisk_next(struct whisk_value all, size_t *at, struct whisk_value *key,
                struct whisk_value *value);

/* A string without quotes and escapes, NUL-terminated. *n: gets its length, since it may contain
 * NUL bytes; n may be NULL. Returns NULL if the value is not a string. */
const char *whisk_text(struct whisk *w, struct whisk_value value, size_t *n);
/* Read a number. false: the value is not such a number, and *number is unchanged. An integer must
 * not have a fraction or an exponent. */
bool whisk_int(struct whisk_value value, int64_t *number);
bool whisk_double(struct whisk_value value, double *number);

/* The value of the argument's member `name`; `other` if it is missing or of another kind. */
const char *whisk_get_text(struct whisk *w, const char *name, const char *other);
int64_t whisk_get_int(const struct whisk *w, const char *name, int64_t other);
bool whisk_get_bool(const struct whisk *w, const char *name, bool other);

/*
 * ---- answering ----
 *
 * The answer is appended piece by piece, in order. These functions add commas, quotes and escapes.
 * key: the member's name; NULL for an array's item. If the first piece has a key, it begins the
 * answer's object. What is still open when the handler returns is closed.
 *
 * All return 0, or -1 if the piece is not allowed there or the answer becomes too long. The
 * activation then ends with that error, so a handler need not check the results.
 */

int whisk_begin_object(struct whisk *w, const char *key);
int whisk_begin_array(struct whisk *w, const char *key);
/* End the innermost object, array or text that is open. */
int whisk_end(struct whisk *w);

int whisk_add_text(struct whisk *w, const char *key, const char *text);
/* Append n bytes of UTF-8 as a string; invalid bytes become U+FFFD. */
int whisk_add_bytes(struct whisk *w, const char *key, const char *text, size_t n);
/* Append a string that is formatted as by printf(). */
int whisk_addf(struct whisk *w, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int whisk_add_int(struct whisk *w, const char *key, int64_t number);
/* Append a number. Infinity and NaN are errors, because JSON has no form for them. */
int whisk_add_double(struct whisk *w, const char *key, double number);
int whisk_add_bool(struct whisk *w, const char *key, bool value);
int whisk_add_null(struct whisk *w, const char *key);
/* Append a part of the argument, unchanged. */
int whisk_add_value(struct whisk *w, const char *key, struct whisk_value value);
/* Append JSON text that the handler has made; it is an error if that is not valid JSON. */
int whisk_add_json(struct whisk *w, const char *key, const char *json, size_t n);

/* Append a string in pieces: call whisk_more() for each piece, then whisk_end(). A piece may end
 * within a UTF-8 character. */
int whisk_begin_text(struct whisk *w, const char *key);
int whisk_more(struct whisk *w, const char *text, size_t n);

/*
 * Send a part of the answer before the answer itself. json: the part's JSON text; NULL: what was
 * appended since the last part. The next piece begins a new part or the answer. If nothing more is
 * appended, the activation has no result but its parts.
 *
 *     0   the part is sent, or kept if the program runs in a shell
 *     1   the caller has left: stop, clean up and return. Further parts are dropped.
 *    -1   `json` is not valid JSON, the activation has failed already, or its parts are too long
 */
int whisk_part(struct whisk *w, const char *json);

/* Make the answer {"error":"..."} instead of what was appended; the text is logged, too. Returns
 * -1, so that a handler can say `return whisk_fail(w, ...)`. */
int whisk_fail(struct whisk *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- the rest ---- */

/* Memory that the library frees after the handler has returned. Never NULL. */
void *whisk_alloc(struct whisk *w, size_t n);
/* Print a line on stderr; the newline is added. */
void whisk_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/*
 * Write what was printed, and answers of earlier activations that wait to be written in a batch.
 * Call it before _exit(), before starting programs that print (system(), posix_spawn()), and before
 * write() to descriptor 1 or 2. Call it instead of fflush(), too: that would write before these
 * answers. It is not needed for printf() of up to 64 KiB, exit() and fork().
 */
void whisk_flush(void);

#ifdef __cplusplus
}
#endif

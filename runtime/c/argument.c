/* argument - the functions of whisk_action.h that read the argument. Values are slices of the input
 * line; no tree is built. */

#include <assert.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/util.h"
#include "inside.h"

#define CHUNK_BYTES      4096
#define CHUNK_KEEP_BYTES 65536
#define NUMBER_MAX_BYTES 512 /* numbers with this many bytes or more are not read */

/* A block of memory of one activation, in a list with the newest first. */
struct chunk {
    struct chunk *next; /* owned */
    size_t used;
    size_t size;
    _Alignas(max_align_t) char bytes[];
};

/* enum whisk_kind and enum json_kind have the same members in the same order; only the first, NONE
 * and BAD, is named differently. */
_Static_assert((int)WHISK_OBJECT == (int)JSON_OBJECT, "kinds are alike");
_Static_assert((int)WHISK_NULL == (int)JSON_NULL, "kinds are alike");

static struct whisk_value value_of(struct json_slice slice)
{
    return (struct whisk_value){slice.text, slice.n, (enum whisk_kind)slice.kind};
}

static struct json_slice slice_of(struct whisk_value value)
{
    return (struct json_slice){value.text, value.n, (enum json_kind)value.kind};
}

/* ---- memory ---- */

void *whisk_alloc(struct whisk *w, size_t n)
{
    struct chunk *chunk = w->chunks;
    size_t size;
    void *memory;

    n = n < SIZE_MAX / 2 ? (n + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1) : n;
    if (chunk == NULL || chunk->size - chunk->used < n) {
        size = n > CHUNK_BYTES ? n : CHUNK_BYTES;
        chunk = xmalloc(size < SIZE_MAX / 2 ? sizeof(*chunk) + size : size); /* no sum wraps */
        *chunk = (struct chunk){.next = w->chunks, .size = size};
        w->chunks = chunk;
    }
    memory = chunk->bytes + chunk->used;
    chunk->used += n;
    return memory;
}

static void free_chunks(struct whisk *w, bool keeps_one)
{
    struct chunk *kept = NULL;

    for (struct chunk *next, *chunk = w->chunks; chunk != NULL; chunk = next) {
        next = chunk->next;
        if (keeps_one && kept == NULL && chunk->size <= CHUNK_KEEP_BYTES) {
            kept = chunk;
            kept->used = 0;
            kept->next = NULL;
        } else {
            free(chunk);
        }
    }
    w->chunks = kept;
}

void whisk_reset(struct whisk *w)
{
    if (w->chunks != NULL)
        free_chunks(w, true);
    answer_restart(w);
    w->error[0] = '\0';
    if (w->n_parts > 0)
        buf_reset(&w->parts, KEEP_BYTES);
    w->n_parts = 0;
    w->has_left = false;
}

void whisk_done(struct whisk *w)
{
    free_chunks(w, false);
    buf_done(&w->answer);
    buf_done(&w->parts);
}

/* ---- values ---- */

struct whisk_value whisk_argument(const struct whisk *w)
{
    return value_of(w->value);
}

struct whisk_value whisk_meta(const struct whisk *w, const char *name)
{
    return whisk_get(value_of(w->line), name);
}

struct whisk_value whisk_get(struct whisk_value object, const char *name)
{
    struct json_slice found = {NULL, 0, JSON_BAD};

    if (object.kind == WHISK_OBJECT)
        (void)json_member(slice_of(object), name, &found);
    return value_of(found);
}

bool whisk_next(struct whisk_value all, size_t *at, struct whisk_value *key,
                struct whisk_value *value)
{
    struct json_slice name, found;

    if (all.kind == WHISK_ARRAY) {
        if (key != NULL)
            *key = (struct whisk_value){NULL, 0, WHISK_NONE};
        if (!json_next_item(slice_of(all), at, &found))
            return false;
        *value = value_of(found);
        return true;
    }
    if (all.kind != WHISK_OBJECT || !json_next_member(slice_of(all), at, &name, &found))
        return false;
    if (key != NULL)
        *key = value_of(name);
    *value = value_of(found);
    return true;
}

const char *whisk_text(struct whisk *w, struct whisk_value value, size_t *n)
{
    char *text;
    size_t len;

    if (value.kind != WHISK_STRING)
        return NULL;
    text = whisk_alloc(w, value.n);
    len = json_unescape(slice_of(value), text);
    text[len] = '\0'; /* there is room, because the two quotes are gone */
    if (n != NULL)
        *n = len;
    return text;
}

/* Copy a number's text, NUL-terminated, for strtoll() and strtod(). false: the value is not a
 * number, or too long. */
static bool spell(struct whisk_value value, char text[NUMBER_MAX_BYTES])
{
    if (value.kind != WHISK_NUMBER || value.n >= NUMBER_MAX_BYTES)
        return false;
    memcpy(text, value.text, value.n);
    text[value.n] = '\0';
    return true;
}

bool whisk_int(struct whisk_value value, int64_t *number)
{
    char text[NUMBER_MAX_BYTES];
    char *end;
    long long read;

    if (!spell(value, text))
        return false;
    errno = 0;
    read = strtoll(text, &end, 10);
    if (*end != '\0' || errno != 0)
        return false;
    *number = read;
    return true;
}

bool whisk_double(struct whisk_value value, double *number)
{
    static locale_t posix; /* the handler's own locale may have a comma for the decimal point */
    char text[NUMBER_MAX_BYTES];

    if (!spell(value, text))
        return false;
    if (posix == 0)
        posix = newlocale(LC_ALL_MASK, "C", 0);
    *number = strtod_l(text, NULL, posix);
    return true;
}

const char *whisk_get_text(struct whisk *w, const char *name, const char *other)
{
    const char *text = whisk_text(w, whisk_get(whisk_argument(w), name), NULL);

    return text != NULL ? text : other;
}

int64_t whisk_get_int(const struct whisk *w, const char *name, int64_t other)
{
    (void)whisk_int(whisk_get(whisk_argument(w), name), &other);
    return other;
}

bool whisk_get_bool(const struct whisk *w, const char *name, bool other)
{
    struct whisk_value value = whisk_get(whisk_argument(w), name);

    if (value.kind == WHISK_TRUE || value.kind == WHISK_FALSE)
        return value.kind == WHISK_TRUE;
    return other;
}

int64_t whisk_ms_left(const struct whisk *w)
{
    struct whisk_value deadline = whisk_meta(w, "deadline");
    struct timespec now;
    int64_t at_ms;

    if (deadline.kind == WHISK_STRING) { /* the platform sends a string, its manual says a number */
        deadline.kind = WHISK_NUMBER;
        deadline.text++;
        deadline.n -= 2;
    }
    if (!whisk_int(deadline, &at_ms))
        return INT64_MAX;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return at_ms - ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

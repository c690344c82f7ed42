#include "output.h"

#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "base/util.h"

#define HELD_MAX_BYTES (64u << 20) /* longest line that may be the result; longer ones are log */
#define KEEP_BYTES     (1u << 20)  /* memory that is kept after a longer line */

static void log_bytes(const struct output *output, const char *bytes, size_t n)
{
    if (n > 0)
        (void)fd_write_all(output->log_fd, bytes, n); /* may fail: the log may have no reader */
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Drop the first n held bytes, after logging those that are not in the log yet. */
static void log_held(struct output *output, size_t n)
{
    size_t n_told = output->n_told < n ? output->n_told : n;

    assert(n <= buf_len(&output->held));
    log_bytes(output, buf_at(&output->held) + n_told, n - n_told);
    buf_drop(&output->held, n);
    output->n_told -= n_told;
}

/* Log the rest of a line whose start is in the log already. */
static void log_rest(struct output *output)
{
    size_t n = buf_len(&output->held);
    const char *bytes = buf_at(&output->held);
    const char *newline = memchr(bytes, '\n', n);

    output->mid_line = newline == NULL;
    log_held(output, newline != NULL ? (size_t)(newline - bytes) + 1 : n);
}

/* Whether the held bytes begin like an object or array, or are all blank so far. */
static bool may_be_result(const struct output *output)
{
    const char *bytes = buf_at(&output->held);
    size_t n = buf_len(&output->held);
    size_t i = 0;

    while (i < n && is_blank(bytes[i]))
        i++;
    return i == n || bytes[i] == '{' || bytes[i] == '[';
}

char *output_room(struct output *output, size_t n)
{
    return buf_room(&output->held, n);
}

/* The last line begins behind the last newline, not counting a newline that is the final byte. Only
 * the new bytes and the one before them are searched for a newline. */
void output_added(struct output *output, size_t n_new)
{
    size_t n, from;
    const char *bytes, *newline;

    buf_added(&output->held, n_new);
    if (output->mid_line) {
        log_rest(output);
        n_new = buf_len(&output->held);
    }
    n = buf_len(&output->held);
    if (n == 0)
        return;
    from = n > n_new ? n - n_new - 1 : 0; /* the old final byte may be a newline */
    bytes = buf_at(&output->held);
    newline = memrchr(bytes + from, '\n', n - 1 - from);
    if (newline != NULL)
        log_held(output, (size_t)(newline - bytes) + 1);
    output->too_long = output->too_long && newline == NULL && n > n_new;
    n = buf_len(&output->held);
    if (n > HELD_MAX_BYTES || !may_be_result(output)) {
        output->too_long = n > HELD_MAX_BYTES;
        output->mid_line = buf_at(&output->held)[n - 1] != '\n';
        log_held(output, n);
        buf_reset(&output->held, KEEP_BYTES);
    }
}

void output_tell(struct output *output)
{
    size_t n = buf_len(&output->held);

    if (n > output->n_told)
        log_bytes(output, buf_at(&output->held) + output->n_told, n - output->n_told);
    output->n_told = n;
}

enum output_result output_result(struct output *output, const char **text, size_t *n)
{
    size_t n_held = buf_len(&output->held);
    const char *at = buf_at(&output->held);
    enum json_kind kind;

    if (output->mid_line)
        log_bytes(output, "\n", 1);
    if (output->too_long)
        return OUTPUT_TOO_LONG;
    while (n_held > 0 && is_blank(at[n_held - 1]))
        n_held--;
    while (n_held > 0 && is_blank(*at)) {
        at++;
        n_held--;
    }
    kind = n_held > 0 ? json_check(at, n_held, NULL) : JSON_BAD;
    *text = at;
    *n = n_held;
    if (kind == JSON_OBJECT || kind == JSON_ARRAY)
        return OUTPUT_RESULT;
    if (n_held > 0) {
        output_tell(output);
        if (buf_at(&output->held)[buf_len(&output->held) - 1] != '\n')
            log_bytes(output, "\n", 1);
    }
    return OUTPUT_NONE;
}

void output_done(struct output *output)
{
    buf_done(&output->held);
}

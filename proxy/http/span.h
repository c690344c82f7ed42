#pragma once

/*
 * span - a piece of a text that is borrowed from somewhere else and not NUL-terminated, such as a
 * header's value.
 */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct span {
    const char *text;
    size_t n;
};

/* Initialise a struct span with a string constant. */
#define SPAN(constant)                                                                             \
    {                                                                                              \
        (constant), sizeof(constant) - 1                                                           \
    }

/* Whether the span equals word, ignoring case. */
static inline bool span_is(struct span span, const char *word)
{
    return span.n == strlen(word) && strncasecmp(span.text, word, span.n) == 0;
}

/* The span without the blanks and tabs at both ends. */
static inline struct span span_trimmed(struct span span)
{
    while (span.n > 0 && (span.text[0] == ' ' || span.text[0] == '\t'))
        span.text++, span.n--;
    while (span.n > 0 && (span.text[span.n - 1] == ' ' || span.text[span.n - 1] == '\t'))
        span.n--;
    return span;
}

/* Cut the text up to the first `stop`, or up to the end, off the front of `rest`, together with
 * that `stop`. Returns the text without `stop`. */
static inline struct span span_cut(struct span *rest, char stop)
{
    const char *end = memchr(rest->text, stop, rest->n);
    struct span front = {rest->text, end != NULL ? (size_t)(end - rest->text) : rest->n};

    rest->text += front.n + (end != NULL);
    rest->n -= front.n + (end != NULL);
    return front;
}

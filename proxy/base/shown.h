#pragma once

/*
 * shown - which keys of an activation become environment variables.
 *
 * Setting a variable takes time in proportion to the number of variables, so a request with 100,000
 * keys must not set them all. Launchers in C use this file. Launchers in other languages implement
 * the same limits themselves; runtime/README.md states them in section "Lines in".
 */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define SHOWN_OTHERS_MAX    256  /* the first 256 keys become variables, whatever their names */
#define SHOWN_KEY_MAX_BYTES 1024 /* longer keys never become variables */

/* Keys that OpenWhisk sends, or that the proxy adds from a client's headers: they become variables
 * even after the first SHOWN_OTHERS_MAX keys. */
static const char *const shown_platform[] = {
    "namespace", "action_name", "action_version", "activation_id", "transaction_id",
    "deadline",  "api_host",    "api_key",        "traceparent",   "tracestate",
};
#define SHOWN_PLATFORM_MAX (sizeof(shown_platform) / sizeof(shown_platform[0]))

/* Whether to set a variable for a key of n bytes. Call it for each key of an activation in turn.
 * *n_others: a counter that this function keeps; 0 before the first key. */
static inline bool shown_take(const char *key, size_t n, size_t *n_others)
{
    assert(*n_others <= SHOWN_OTHERS_MAX);
    if (n > SHOWN_KEY_MAX_BYTES)
        return false;
    if (*n_others < SHOWN_OTHERS_MAX) {
        (*n_others)++;
        return true;
    }
    for (size_t i = 0; i < SHOWN_PLATFORM_MAX; i++) {
        if (strlen(shown_platform[i]) == n && memcmp(shown_platform[i], key, n) == 0)
            return true;
    }
    return false;
}

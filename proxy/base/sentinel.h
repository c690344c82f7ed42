#pragma once

/* sentinel - the line by which OpenWhisk finds the end of an activation's log. */

#include <stddef.h>
#include <string.h>

#define SENTINEL     "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX"
#define SENTINEL_LEN (sizeof(SENTINEL) - 1)

/* Change every sentinel in bytes[0 .. n) to lower case, so that OpenWhisk does not take it for one.
 * Call this for text that a client or an action determines, before we write it to our stdout or
 * stderr. */
static inline void sentinel_disarm(char *bytes, size_t n)
{
    char *at = bytes;

    while ((at = memmem(at, n - (size_t)(at - bytes), SENTINEL, SENTINEL_LEN)) != NULL) {
        for (size_t i = 0; i < SENTINEL_LEN; i++)
            if (at[i] != '_')
                at[i] = (char)(at[i] | 0x20);
        at += SENTINEL_LEN;
    }
}

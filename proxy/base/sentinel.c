#include "base/sentinel.h"

#include <string.h>

void sentinel_disarm(char *bytes, size_t n)
{
    char *at = bytes;

    while ((at = memmem(at, n - (size_t)(at - bytes), SENTINEL, SENTINEL_LEN)) != NULL) {
        for (size_t i = 0; i < SENTINEL_LEN; i++)
            if (at[i] != '_')
                at[i] = (char)(at[i] | 0x20);
        at += SENTINEL_LEN;
    }
}

#pragma once

/*
 * json_text - the few facts about JSON's characters that json.c and json_slice.c share; no other
 * file includes this.
 */

#include <stdbool.h>
#include <stdint.h>

/* RFC 8259 has these four and no others: no form feed, nothing of Unicode. */
static inline bool is_space(uint8_t c)
{
    return c <= ' ' && (c == ' ' || c == '\n' || c == '\r' || c == '\t');
}

static inline const uint8_t *skip_space(const uint8_t *at, const uint8_t *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

#pragma once

/*
 * json_text - white space in JSON.
 */

#include <stdbool.h>
#include <stdint.h>

/* JSON has these four white space characters and no others (RFC 8259): no form feed, nothing of
 * Unicode. */
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

#pragma once

/* sentinel - the line by which the platform finds the end of an activation's log. */

#include <stddef.h>

#define SENTINEL     "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX"
#define SENTINEL_LEN (sizeof(SENTINEL) - 1)

/* Make every sentinel in bytes harmless, in lower case: for whatever others said and we write to
 * one of our two streams. */
void sentinel_disarm(char *bytes, size_t n);

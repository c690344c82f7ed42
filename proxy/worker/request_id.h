#pragma once

/*
 * request_id - framing for workers that do several activations at a time. The worker gets
 * `[7,LINE]` and answers `[7,ANSWER]`; answers may come in any order. No descriptor is used here.
 * Source: runtime/README.md.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_ID_HEAD_MAX 22  /* length of the longest head, "[18446744073709551615," */
#define REQUEST_ID_TAIL     "]" /* written between a line's text and its newline */
#define REQUEST_ID_MAX                                                                             \
    (REQUEST_ID_HEAD_MAX + sizeof(REQUEST_ID_TAIL)) /* room for head, tail and an optional blank */

/* Write the head for this request id, such as "[7,", without a NUL. Returns its length. */
size_t request_id_head(char head[REQUEST_ID_HEAD_MAX], uint64_t number);

/* Cut the head off text[0 .. n), which may be only the start of a line, and set *number to its
 * request id. false: there is no head. */
bool request_id_read(const char **text, size_t *n, uint64_t *number);
/* Cut the tail "]" off the text that request_id_read() left. false: there is no tail. */
bool request_id_end(const char *text, size_t *n);

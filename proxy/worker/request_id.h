#pragma once

/*
 * request_id - framing for workers that do several activations at a time: `[7,LINE]` goes in and
 * `[7,ANSWER]` comes back, in any order. No input or output in here. Source: runtime/README.md.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_ID_HEAD_MAX 22  /* bytes of "[18446744073709551615," */
#define REQUEST_ID_TAIL     "]" /* after the line, before its newline */
#define REQUEST_ID_MAX                                                                             \
    (REQUEST_ID_HEAD_MAX + sizeof(REQUEST_ID_TAIL)) /* bytes of head, tail and one blank */

/* Write a head such as "[7,", without a NUL. Returns its length. */
size_t request_id_head(char head[REQUEST_ID_HEAD_MAX], uint64_t number);

/* Cut the head off text[0 .. n), which may be only the start of a line. false: there is no head. */
bool request_id_read(const char **text, size_t *n, uint64_t *number);
/* Cut the tail off what request_id_read() left. false: there is no tail. */
bool request_id_end(const char *text, size_t *n);

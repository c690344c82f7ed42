#pragma once

/*
 * shape - a reply that the action describes itself, as a web action does, by the members
 * `statusCode`, `headers` and `body` of its result. If the reply comes in parts, the first part has
 * these members.
 * Source: openwhisk-contract 1.9, 4.8; docs/streaming.md.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

struct buf;
struct request;

/* Allow pages of any origin to read the reply. */
void shape_allow_all(struct request *request);
/* Reply as the action's result describes. */
void shape_reply(struct request *request, struct json_slice result);

/* ---- in parts ---- */

struct shape {
    bool is_base64; /* strings are base64, as the content type is an image's */
};

/* Whether the first part, a JSON document, describes the reply: an object with `statusCode` or
 * `headers` whose status allows a body. */
bool shape_describes_reply(const char *part, size_t n);
/* Begin with a part that describes the reply: add its headers to the reply, and its body to `out`.
 * Returns the status. */
int shape_begin(struct shape *shape, struct request *request, const char *part, size_t n,
                struct buf *out);
/* Add to `out` what to send for a later part or for the result: a string's text, any other document
 * as JSON and a newline. */
void shape_add(const struct shape *shape, struct buf *out, const char *part, size_t n);

#pragma once

/*
 * shape - make a reply as the action describes it, like a web action, by the members `statusCode`,
 * `headers` and `body` of its result. If the action sends its answer in parts, the first part has
 * these members.
 * Source: the maintainers' notes openwhisk-contract, sections 1.9, 4.8; docs/streaming.md.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

struct buf;
struct request;

/* Add the CORS headers that let pages of any origin read the reply. */
void shape_allow_all(struct request *request);
/* Send the reply that the action's result describes. */
void shape_reply(struct request *request, struct json_slice result);

/* ---- in parts ---- */

struct shape {
    bool is_base64; /* strings in the answer hold base64, since the content type is an image */
};

/* Whether the first part of an answer describes the reply: it is an object with `statusCode` or
 * `headers`, and its status allows a body. part: a JSON document. */
bool shape_describes_reply(const char *part, size_t n);
/* Begin a reply with the part that describes it: add the part's headers to the reply, and its
 * `body` to `out`. Returns the status for the reply. */
int shape_begin(struct shape *shape, struct request *request, const char *part, size_t n,
                struct buf *out);
/* Add to `out` the text to send for a later part or for the result: for a string its text, for any
 * other document the JSON and a newline. */
void shape_add(const struct shape *shape, struct buf *out, const char *part, size_t n);

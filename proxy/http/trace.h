#pragma once

/*
 * trace - headers by which a client identifies its request: copied into the line of JSON that the
 * action gets, and sent back with the reply.
 *
 *     header         member of that JSON  what is taken
 *     traceparent    traceparent          version 00 of W3C's Trace Context
 *     tracestate     tracestate           with a traceparent only; 1 to 512 printable characters
 *     x-request-id   transaction_id       1 to 128 printable characters, no blanks
 *
 * A value with a quote, a backslash or anything beyond ASCII is not taken, so no value needs to be
 * escaped. A header that is not taken, or comes twice, is treated as missing.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "http/request.h"

struct buf;

#define TRACE_N_HEADERS         3
#define TRACE_MEMBERS_MAX_BYTES 800 /* most bytes of all three members, with names and quotes */

struct trace {
    struct span values[TRACE_N_HEADERS]; /* borrowed; text NULL: missing or not taken */
    bool any;
};

/* Take the valid tracing headers from the request, and add them to its reply, even to an error
 * reply. */
void trace_take(struct trace *trace, struct request *request);

/* Append to `out` a member and a comma for each header that was taken, unless `object` (valid JSON)
 * has such a member itself. At most TRACE_MEMBERS_MAX_BYTES are appended. */
void trace_members(const struct trace *trace, struct json_slice object, struct buf *out);

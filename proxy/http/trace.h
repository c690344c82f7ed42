#pragma once

/*
 * trace - what a client's headers tell of whose request this is: taken into the action's line, and
 * sent back with the reply.
 *
 *     header         member of the line   what is taken
 *     traceparent    traceparent          version 00 of W3C's Trace Context
 *     tracestate     tracestate           with a traceparent only; 1 to 512 printable characters
 *     x-request-id   transaction_id       1 to 128 printable characters, no blanks
 *
 * Quotes, backslashes and what is beyond ASCII are never taken, so no value needs to be escaped.
 * What is not taken, or comes twice, is as if it had not come.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "http/server.h"

#define TRACE_N_HEADERS         3
#define TRACE_MEMBERS_MAX_BYTES 800 /* all three, with names and quotes */

struct trace {
    struct request_text values[TRACE_N_HEADERS]; /* of the request, borrowed; text NULL: none */
    bool any;
};

/* Take the request's headers, and add them to its reply, whatever that will be. */
void trace_take(struct trace *trace, struct request *request);

/*
 * The members to add to `object`, a checked one: those that it does not have itself, each followed
 * by a comma. Returns their length, at most TRACE_MEMBERS_MAX_BYTES.
 */
size_t trace_members(const struct trace *trace, struct json_slice object, char *out);

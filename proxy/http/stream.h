#pragma once

/*
 * stream - replies that are streamed part by part, as server-sent events or as JSON lines: find out
 * which of the two a request asks for, and begin such a reply. Source: docs/streaming.md; WHATWG
 * HTML, 9.2.
 */

#include <stdbool.h>

struct buf;
struct part_form;
struct request;

enum stream_kind {
    STREAM_NONE,   /* not streamed: only the result is sent */
    STREAM_EVENTS, /* server-sent events: text/event-stream */
    STREAM_LINES,  /* JSON lines: application/x-ndjson */
    STREAM_SHAPED, /* streamed, with status and headers set by the action (http/shape.h) */
};

/* Returns STREAM_EVENTS or STREAM_LINES, whichever the request's header `accept` names first;
 * STREAM_NONE: neither. */
enum stream_kind stream_asked(const struct request *request);

/* Begin a streamed reply. false: there is no memory for it, and an error was sent instead. */
bool stream_begin(struct request *request, enum stream_kind kind, int status);

/* Reply with an error in the form of this kind, but not streamed. bytes: the body; taken over. */
void stream_refuse(struct request *request, enum stream_kind kind, int status, struct buf *bytes);
/* How to write the parts and the end of a streamed reply. kind: STREAM_EVENTS or STREAM_LINES. */
const struct part_form *stream_form(enum stream_kind kind);

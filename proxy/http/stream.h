#pragma once

/*
 * stream - replies in parts, as server-sent events or as JSON lines: which requests get one, and
 * its format. Source: docs/streaming.md; WHATWG HTML, 9.2.
 */

#include <stdbool.h>
struct buf;
struct part_form;
struct request;

enum stream_kind {
    STREAM_NONE,   /* no parts: the result alone */
    STREAM_EVENTS, /* text/event-stream */
    STREAM_LINES,  /* application/x-ndjson */
    STREAM_SHAPED, /* as the action's first part describes it */
};

/* The first kind, events or lines, that the header `accept` names; STREAM_NONE: neither. */
enum stream_kind stream_asked(const struct request *request);

/* Begin the reply. false: there was no room, and the request was refused. */
bool stream_begin(struct request *request, enum stream_kind kind, int status);

/* Reply with an error in one piece; bytes: taken over. */
void stream_refuse(struct request *request, enum stream_kind kind, int status, struct buf *bytes);
/* The format of the parts and the end. kind: events or lines. */
const struct part_form *stream_form(enum stream_kind kind);

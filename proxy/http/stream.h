#pragma once

/*
 * stream - a reply in parts, as server-sent events or as lines of JSON: what asks for one, and how
 * its bytes look. Source: docs/streaming.md; WHATWG HTML, 9.2.
 */

#include <stdbool.h>
struct buf;
struct part_form;
struct request;

enum stream_kind {
    STREAM_NONE,   /* the result alone */
    STREAM_EVENTS, /* text/event-stream */
    STREAM_LINES,  /* application/x-ndjson */
    STREAM_SHAPED, /* as the action's first part describes it */
};

/* What the client accepts: the first of the two types that it names. */
enum stream_kind stream_asked(const struct request *request);

/* Begin the reply. false: it was refused. */
bool stream_begin(struct request *request, enum stream_kind kind, int status);

/* Reply with an error, at once and as a whole; bytes: taken over. */
void stream_refuse(struct request *request, enum stream_kind kind, int status, struct buf *bytes);
/* How its parts and its end look. */
const struct part_form *stream_form(enum stream_kind kind);

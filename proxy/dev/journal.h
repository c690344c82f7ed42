#pragma once

/*
 * journal - receives all log lines and activations, and passes them on to the terminal, to the
 * history of activations and to the open web pages.
 */

#include <stdbool.h>

#include "base/loop.h"
#include "base/output.h"
#include "dev/activations.h"
#include "dev/events.h"
#include "dev/terminal.h"
#include "http/service.h"
#include "worker/job.h"

#define JOURNAL_BATCH_MS        20 /* log lines (or answer parts) in this time become one event */
#define JOURNAL_BATCH_MAX_BYTES (128u << 10) /* an event with so many bytes is sent at once */
#define JOURNAL_LINE_MAX_BYTES  16384        /* a longer log line is cut */
#define JOURNAL_PART_MAX_BYTES  65536        /* of a longer answer part, only the size is sent */

struct journal;

struct journal_stream {
    struct output_tap tap;
    struct journal *journal;
    const char *name; /* "stdout" or "stderr" */
    struct buf line;  /* beginning of a log line whose end has not come yet */
};

/* Items that will be sent to the pages in one event: members of a JSON array, each followed by a
 * comma. */
struct journal_batch {
    const char *event; /* name of the event; a string constant */
    struct buf items;
    uint64_t n;
};

struct journal {
    struct loop *loop;       /* borrowed */
    struct service *service; /* borrowed */
    struct events events;
    struct activations activations;
    struct terminal terminal;
    struct journal_stream out;
    struct journal_stream err;
    struct run_observer observer; /* is told of activations that come by POST /run */
    struct activation *ended;     /* activation whose reply is about to be sent; NULL: none */
    unsigned version;             /* number of the newest version of the action that has loaded */
    struct job_tap tap;           /* gets the parts of all activations' answers */
    struct journal_batch lines;
    struct journal_batch parts;
    struct loop_timer tick; /* set while events for pages or lines for the terminal wait */
    /* a version is loading. Log lines count as written by this version, unless a worker of another
     * version wrote them. */
    bool is_loading;
    struct buf said; /* newest part of the log of the version that is loading */
    /* memory that a worker used when /proc was last read */
    struct usage_cache {
        pid_t pid;
        uint64_t at_us; /* time of loop_now_us() at which /proc was read */
        uint64_t bytes;
    } memory;
};

/* From now on the journal gets all bytes written to the service's stdout and stderr, which must be
 * open. */
void journal_init(struct journal *journal, struct service *service, bool is_json);
/* Call after the action's processes are gone. Waits up to wait_ms for the terminal to take the
 * pending lines. */
void journal_done(struct journal *journal, int wait_ms);

/* Record whether a version is loading: true when it begins to load, false when it has loaded or
 * failed. */
void journal_set_loading(struct journal *journal, bool is_loading);
/* Send an event to the pages. data: JSON. Log lines and answer parts that came earlier are sent
 * first. */
void journal_tell(struct journal *journal, const char *name, const struct buf *data);

/* Record the beginning of an activation, whether or not it came by POST /run. */
struct activation *journal_begin(struct journal *journal, struct job *job);
/* Record the end of an activation that gets no reply, or a reply in parts. Call after its job has
 * ended. Append the answer, or the error as JSON, to `answer`. */
void journal_end_by_job(struct journal *journal, struct activation *activation,
                        const struct job *job, struct buf *answer);
/* Call just before a reply is sent. http: the reply's status; answer[0 .. n): its body. Records the
 * end of the activation that the reply answers, and returns this activation. NULL: the request
 * began no activation. */
struct activation *journal_end_replied(struct journal *journal, int http, const char *answer,
                                       size_t n);

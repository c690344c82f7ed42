#pragma once

/*
 * journal - everything that happens passes through here: log lines and activations go to the
 * terminal, to the history of activations and to the open pages.
 */

#include <stdbool.h>

#include "base/loop.h"
#include "base/output.h"
#include "dev/activations.h"
#include "dev/events.h"
#include "dev/terminal.h"
#include "http/service.h"
#include "worker/job.h"

#define JOURNAL_BATCH_MS        20 /* log lines, or parts, within this time become one event */
#define JOURNAL_BATCH_MAX_BYTES (128u << 10) /* with so many bytes, an event is sent at once */
#define JOURNAL_LINE_MAX_BYTES  16384        /* a longer log line is cut */
#define JOURNAL_PART_MAX_BYTES  65536        /* of a longer part only the size is told */

struct journal;

struct journal_stream {
    struct output_tap tap;
    struct journal *journal;
    const char *name; /* "stdout" or "stderr" */
    struct buf line;  /* unfinished log line */
};

/* The JSON items of the next event, each followed by a comma. */
struct journal_batch {
    const char *event; /* a string constant */
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
    struct run_observer observer;
    struct activation *ended; /* activation whose reply comes next: journal_take_ended() */
    unsigned version;         /* the newest version that has loaded */
    struct job_tap tap;       /* sees the parts of each activation's job */
    struct journal_batch lines;
    struct journal_batch parts;
    struct loop_timer tick; /* set while something waits to be sent or shown */
    /* a version loads: log lines belong to it unless another version's worker wrote them */
    bool is_loading;
    struct buf said; /* the last bytes that the loading version wrote */
    struct usage_cache {
        pid_t pid;
        uint64_t at_us;
        uint64_t bytes;
    } memory;
};

/* Takes all that is written to the service's two streams, which must be open. */
void journal_init(struct journal *journal, struct service *service, bool is_json);
/* Call after the action's processes are gone. */
void journal_done(struct journal *journal, int wait_ms);

/* Say that a version begins to load, or that it has loaded or failed. */
void journal_set_loading(struct journal *journal, bool is_loading);
/* Send an event to the pages. data: JSON. Log lines that came before it are sent first. */
void journal_tell(struct journal *journal, const char *name, const struct buf *data);

/* Record the beginning of an activation, also of one that did not come by POST /run. */
struct activation *journal_begin(struct journal *journal, struct job *job);
/* Record the end of an activation whose job has ended and that gets no reply in one piece. Its
 * answer, or the error, is appended to `answer`. */
void journal_end_by_job(struct journal *journal, struct activation *activation,
                        const struct job *job, struct buf *answer);
/* Take the activation whose reply is being sent; NULL: that reply is not an activation's. */
struct activation *journal_take_ended(struct journal *journal);
/* Record the activation's end, with the status and body of its reply. */
void journal_end(struct journal *journal, struct activation *activation, int http,
                 const char *answer, size_t n);

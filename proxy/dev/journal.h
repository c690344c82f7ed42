#pragma once

/*
 * journal - all that happens goes through here: log lines of the action and its activations, to the
 * terminal, to what is kept, and to the pages that look on.
 */

#include <stdbool.h>

#include "action/user_names.h"
#include "base/loop.h"
#include "base/output.h"
#include "dev/activations.h"
#include "dev/events.h"
#include "dev/terminal.h"
#include "http/service.h"
#include "worker/job.h"

#define JOURNAL_BATCH_MS        20           /* log lines, or parts, of so long are one event */
#define JOURNAL_BATCH_MAX_BYTES (128u << 10) /* ... of so many, or a little more */
#define JOURNAL_LINE_MAX_BYTES  16384        /* longer ones are cut */
#define JOURNAL_PART_MAX_BYTES  65536        /* of longer ones only the size is told */

struct journal;

struct journal_stream {
    struct output_tap tap;
    struct journal *journal;
    const char *name; /* "stdout" or "stderr" */
    struct buf line;  /* unfinished */
};

/* Items of the next event, a comma behind each. */
struct journal_batch {
    const char *event; /* static */
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
    struct activation *ended; /* its reply follows; journal_take_ended() */
    unsigned version;         /* that serves */
    struct job_tap tap;       /* of each activation's job */
    struct journal_batch lines;
    struct journal_batch parts;
    struct loop_timer tick; /* while something waits to be told */
    bool is_loading;        /* what no activation says is said by the version that loads */
    struct buf said;        /* ... the last of it */
    struct usage_cache {
        pid_t pid;
        uint64_t at_us;
        uint64_t bytes;
    } memory;
};

/* Takes the place of the service's two streams, which are open. */
void journal_init(struct journal *journal, struct service *service, bool is_json);
/* After the action is gone. */
void journal_done(struct journal *journal, int wait_ms);

/* A version begins to load, or has loaded or failed. */
void journal_set_loading(struct journal *journal, bool is_loading);
/* An event for the pages, data: JSON; log lines before it are told first. */
void journal_tell(struct journal *journal, const char *name, const struct buf *data);

/* An activation that the observer does not hear of begins. */
struct activation *journal_begin(struct journal *journal, struct job *job);
/* Its job has ended, and it with that: no single reply follows. answer: what it said, appended. */
void journal_end_by_job(struct journal *journal, struct activation *activation,
                        const struct job *job, struct buf *answer);
/* The one whose reply is being sent; NULL: that reply is not an activation's. */
struct activation *journal_take_ended(struct journal *journal);
/* ... and this is replied. */
void journal_end(struct journal *journal, struct activation *activation, int http,
                 const char *answer, size_t n);

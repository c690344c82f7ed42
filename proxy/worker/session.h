#pragma once

/*
 * session - the conversation with one process: the lines that it gets, what it says, and the jobs
 * that it has.
 *
 *     give.c     writes lines to it, as soon and as far as it may have them
 *     hear.c     reads what it says, ends jobs, takes back what it has not begun
 *     session.c  opens and closes
 *
 * Only these files and the functions below write the fields. A session records facts and posts
 * `step`; worker.c decides what follows, and starts and ends the process.
 */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "worker/channel.h"
#include "worker/job.h"
#include "worker/pacing.h"
#include "worker/parts.h"
#include "worker/placement.h"
#include "worker/stdin_probe.h"
#include "worker/window.h"

struct exec_spec;
struct tally;
struct oom;

struct worker_opts {
    uint64_t start_ms;       /* longest time from the start of a process until it is ready */
    uint64_t settle_ms;      /* without a ready line: a process idle for so long counts as ready */
    uint64_t kill_ms;        /* between SIGTERM and SIGKILL */
    uint64_t health_ms;      /* between two checks of an idle process; 0: none */
    size_t answer_max_bytes; /* longest answer */
    unsigned pipeline;       /* lines ahead for a process that announces nothing; 0: none */
    unsigned ahead_max;      /* most lines written ahead of their answers; 1: one at a time */
    bool wake_near;          /* wake the process on our processor: worker/placement.h */
    int pipe_bytes;          /* wanted size of the pipes; 0: the system's */
    struct tally *tally;     /* where starts, ends and work are counted; borrowed */
    struct oom *oom;         /* borrowed; to recognize deaths for lack of memory; NULL: do not */
};

/* State of give_question(): is the process back at its input? */
struct question {
    uint64_t asked_at_us; /* loop time of the first look; 0: none yet */
    uint64_t read_at_us;  /* when the process had read the probe byte; 0: not yet */
    uint64_t
        grace_at_us; /* start of GRACE_US: read_at_us, or when it last awaited more than input */
    bool probed;     /* the first byte of a line was written as a probe, or cannot be */
};

struct session {
    /* set by session_init(); all borrowed */
    struct loop *loop;
    const struct exec_spec *spec;
    const struct worker_opts *opts;
    struct loop_post *step;    /* posted when there are new facts */
    struct loop_post *changed; /* posted when there are results to collect */

    /* the process */
    pid_t pid;
    struct channel channel;
    struct window window; /* the jobs that it has */
    struct pacing pacing;
    struct placement placement;
    struct stdin_probe stdin_probe;
    struct question question;
    struct buf greeting; /* what a prewarmed launcher must read first */
    struct job_holder holder;
    bool takes_control; /* it reads control lines */
    /* inside hear(): the logs were settled for an earlier answer of this read */
    bool logs_settled;
    uint64_t n_logged;       /* log bytes forwarded up to the last answers */
    uint64_t reads_by_ms;    /* hear_ask(): it must read by this moment; 0: not asked */
    bool asked_idle;         /* hear_ask() was called while it was idle */
    uint64_t health_at_ms;   /* next health check; 0: it has jobs, or there are no checks */
    uint64_t unread_at_ms;   /* when to warn that it has read nothing; 0: no line was written */
    uint64_t unread_used_ms; /* processor time it had used at the last look */

    /* facts */
    bool ready;         /* it said so, waits for input, or settle_ms passed */
    bool refused;       /* its ready line is a refusal, malformed or too late: see refusal */
    bool ended;         /* its pipes are closed */
    bool spoiled;       /* it answered a line that was written only in part */
    bool dismissed;     /* it was told to end: without jobs, its output is ignored */
    struct err refusal; /* why it refused */

    /* kept from one process to the next */
    bool announces_late; /* a process announced `concurrent` after it was sent part of a line */

    /* results, for the owner to collect */
    struct list spoke;    /* struct parts of jobs with parts that the owner has not seen */
    struct list finished; /* jobs with an outcome; their sentinels are written */
    struct list returned; /* jobs that never began, the youngest first */
};

/* out, err: our own stdout and stderr, borrowed. */
void session_init(struct session *session, struct loop *loop, const struct exec_spec *spec,
                  const struct worker_opts *opts, struct output *out, struct output *err);
/* step: posted when there are new facts. changed: posted when there are results to collect. */
void session_tell(struct session *session, struct loop_post *step, struct loop_post *changed);
/* A process has started. in: our end of its input, borrowed. hear_open() opens the pipes. */
void session_begin(struct session *session, pid_t pid, int in);
/* The process is dead and all of its output was processed: forward the last log bytes, close all
 * descriptors. */
void session_close(struct session *session);
/* Frees memory. No job is left, and all results were collected. */
void session_done(struct session *session);

/* Whether no more answers will come. */
static inline bool session_is_lost(const struct session *s)
{
    return s->ended || s->spoiled || s->refused;
}

/* How many more jobs the process may be given. */
static inline unsigned session_room(const struct session *s)
{
    unsigned depth = pacing_depth(&s->pacing);

    return !session_is_lost(s) && depth > s->window.n ? depth - s->window.n : 0;
}

/* Put the job into the window until it is finished or returned. give_next() writes its line. */
static inline void session_add(struct session *s, struct job *job)
{
    assert(session_room(s) > 0);
    job->holder = &s->holder;
    job->cancel_told = job->pause_told = false;
    window_add(&s->window, job);
    loop_post(s->loop, s->step);
}

/* Whether lines have request ids and only tombstones are left, for whose answers nobody waits. */
static inline bool session_is_deserted(const struct session *s)
{
    return s->window.numbered && window_is_deserted(&s->window);
}

/* Count the process as ready, though it reported nothing. */
static inline void session_assume_ready(struct session *s)
{
    s->ready = true;
}

/* Take the oldest finished job out; NULL: there is none. */
static inline struct job *session_take_finished(struct session *s)
{
    struct list *node = list_take_first(&s->finished);

    return node != NULL ? list_item(node, struct job, node) : NULL;
}

static inline struct job *session_take_spoken(struct session *s)
{
    struct list *node = list_take_first(&s->spoke);

    return node != NULL ? list_item(node, struct parts, node)->job : NULL;
}

/* Take out a job to be given to another worker, the youngest first; NULL: there is none. */
static inline struct job *session_take_returned(struct session *s)
{
    struct list *node = list_take_first(&s->returned);

    return node != NULL ? list_item(node, struct job, node) : NULL;
}

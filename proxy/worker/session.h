#pragma once

/*
 * session - the conversation with one process: the lines written to it, the lines that it writes,
 * and the jobs that it has.
 *
 *     give.c     writes the lines of the window to the process, as far as the pipe takes them
 *     hear.c     reads what the process writes, ends jobs, takes back jobs that it has not begun,
 *                watches deadlines and whether the process still reads
 *     session.c  opens and closes a session
 *
 * Only these files and the inline functions below write the members of struct session. A session
 * records facts and posts `step`, a handler in worker.c that the loop then calls. That handler
 * decides what follows, and starts and ends the process.
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
    uint64_t start_ms;  /* longest time from the start of a process until it is ready */
    uint64_t settle_ms; /* a process without a ready line counts as ready once idle for this long */
    uint64_t kill_ms;   /* time between SIGTERM and SIGKILL */
    uint64_t health_ms; /* time between two checks of an idle process; 0: no checks */
    size_t answer_max_bytes; /* longest answer */
    /* --pipeline: most lines that may wait for answers at a time; a ready line may set another */
    unsigned vouched;
    unsigned ahead_max;  /* upper limit of that number, set or announced; 1: one line at a time */
    bool wake_near;      /* wake the process on our processor: worker/placement.h */
    int pipe_bytes;      /* wanted size of the pipes; 0: the system's default */
    struct tally *tally; /* counts starts, ends and work; borrowed */
    struct oom *oom;     /* recognizes deaths for lack of memory; borrowed; NULL: not wanted */
};

/* State of give_question(), which checks whether the process waits for its next line. */
struct question {
    uint64_t asked_at_us; /* loop time of the first of these checks; 0: none yet */
    uint64_t read_at_us;  /* loop time at which the process had read all bytes; 0: not yet */
    /* Loop time at which a last wait for more output, GRACE_US, began: read_at_us or, if later, the
     * last check that found the process waiting for input and for something else. */
    uint64_t grace_at_us;
};

struct session {
    /* set by session_init(); all borrowed */
    struct loop *loop;
    const struct exec_spec *spec;
    const struct worker_opts *opts;
    struct loop_post *step;    /* posted when a fact changed, so that worker.c acts on it */
    struct loop_post *changed; /* posted when there are jobs or parts to collect, or more room */

    /* the process */
    pid_t pid;
    struct channel channel;
    struct window window; /* the jobs that the process has */
    struct pacing pacing;
    struct placement placement;
    struct stdin_probe stdin_probe;
    struct buf greeting; /* unwritten rest of the line that a prewarmed launcher gets first */
    struct job_holder holder;
    bool takes_control; /* the launcher reads control lines such as "cancel 7" */
    /* inside hear(): the log was forwarded already, for an earlier answer that came in the same
     * read */
    bool logs_settled;
    uint64_t n_logged; /* log bytes forwarded until the last answers: shows if more came since */
    bool asked_idle;   /* the process was idle when hear_ask() asked whether it still reads */

    /* Times of checks, by loop time. A session has no timer of its own: worker.c sets the worker's
     * only timer to the soonest of the times that hear_next_look_ms() and give_question() return.
     * Deadlines of jobs are in `window`. */
    struct question question; /* all zero while give_question() checks nothing */
    /* time by which the process must read something, set by hear_ask(); 0: it need not */
    uint64_t reads_by_ms;
    uint64_t health_at_ms; /* next health check; 0: none planned, for example while jobs run */
    /* next check whether the process has left its first line unread; 0: none planned; NEVER_MS
     * (hear.c): no more checks, since the process has read something or the warning was logged */
    uint64_t unread_at_ms;
    uint64_t unread_used_ms; /* processor time used by the process when unread_at_ms was set */

    /* facts about the process */
    bool ready;         /* the process said so, waited for input, or was idle for settle_ms */
    bool refused;       /* the ready line reports a failure, is malformed or came too late */
    bool ended;         /* the process closed its answer pipes, or does not read any more */
    bool spoiled;       /* the process answered a line that was written or read only in part */
    bool dismissed;     /* the process was told to end: once it has no jobs, we ignore its lines */
    struct err refusal; /* if `refused`: what the ready line says; ERR_NONE: that line was late */

    /* kept from one process to the next */
    /* a process announced `concurrent` too late, when part of a line was written: give later
     * processes more time for their ready lines */
    bool announces_late;

    /* results, for the owner to collect: job_take_first(), session_take_spoken() */
    struct list spoke;    /* job->parts of jobs with new parts of the answer, not collected yet */
    struct list finished; /* jobs with an outcome, whose sentinels are written already */
    struct list returned; /* jobs that were not begun, for another worker; the youngest first */
};

/* out, err: our own stdout and stderr, borrowed. The session posts `step` when a fact about the
 * process changed, and `changed` when there are jobs or parts to collect, or more room for jobs. */
void session_init(struct session *session, struct loop *loop, const struct exec_spec *spec,
                  const struct worker_opts *opts, struct output *out, struct output *err,
                  struct loop_post *step, struct loop_post *changed);
/* Begin with a process that has started. in: our end of its input pipe, borrowed. Only hear_open()
 * calls this, and then opens the pipes. */
void session_begin(struct session *session, pid_t pid, int in);
/* Call when the process is dead and all of its output was processed: forwards the last log bytes,
 * closes all descriptors. */
void session_close(struct session *session);
/* Free the memory of a session that has no jobs and whose results were all collected. */
void session_done(struct session *session);

/* Whether the process can serve no longer, so that it must be replaced. */
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

/* Put a job into the in-flight window, where it stays until it is finished or returned. Its line is
 * written by give_next(). */
static inline void session_add(struct session *s, struct job *job)
{
    assert(session_room(s) > 0);
    job->holder = &s->holder;
    job->cancel_told = job->pause_told = false;
    window_add(&s->window, job);
    loop_post(s->loop, s->step);
}

/* Count the process as ready, though it wrote no ready line. */
static inline void session_assume_ready(struct session *s)
{
    s->ready = true;
}

/* Take out a job with new parts; NULL: there is none. */
static inline struct job *session_take_spoken(struct session *s)
{
    struct list *node = list_take_first(&s->spoke);

    return node != NULL ? list_item(node, struct parts, node)->job : NULL;
}

#pragma once

/*
 * worker - one process of the action with its pipes: started, fed with lines, replaced when it
 * ends or is late.
 *
 *            start               ready
 *    DOWN ──────────► STARTING ────────► READY
 *     ▲ ▲                │ │               │ │
 *     │ └────────────────┘ │ refused,      │ │ late, hung,
 *     │      exited        │ late,         │ │ unwanted
 *     │                    ▼ unwanted      │ │
 *     ├──────────────── STOPPING ◄─────────┘ │
 *     │  exited                              │
 *     └──────────────────────────────────────┘
 *                     exited
 *
 * Handlers write down facts, worker_step() decides. The owner hears of changes from the loop, never
 * from inside a call.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "worker/channel.h"
#include "worker/death.h"
#include "worker/ending.h"
#include "worker/give.h"
#include "worker/job.h"
#include "worker/pacing.h"
#include "worker/placement.h"
#include "worker/stdin_probe.h"
#include "worker/window.h"

struct exec_spec;
struct tally;
struct oom;

enum worker_state {
    WORKER_DOWN,     /* no process */
    WORKER_STARTING, /* not ready to be fed */
    WORKER_READY,    /* waits for lines or works */
    WORKER_STOPPING, /* told to end; nothing is read from it but log lines */
};
#define WORKER_STATES (WORKER_STOPPING + 1) /* how many there are */

struct worker_opts {
    uint64_t start_ms;       /* time that a start may take, until ready */
    uint64_t settle_ms;      /* without a ready line: how long to look whether it waits for input */
    uint64_t kill_ms;        /* between SIGTERM and SIGKILL */
    size_t answer_max_bytes; /* longest answer */
    unsigned pipeline;       /* lines ahead for those that announce nothing; 0: none */
    unsigned ahead_max;      /* most lines written ahead of their answers; 1: one at a time */
    bool wake_near;          /* worker/placement.h */
    int pipe_bytes;          /* wanted size of the pipes; 0: the system's */
    struct tally *tally;     /* where starts, ends and work are counted; borrowed */
    struct oom *oom;         /* borrowed; tells deaths for want of memory. NULL: nobody does */
};

/* Invariants: (pid == 0) == (state == DOWN); jobs only in READY, and in STOPPING those that the
 * process has read: whether it began them is known when it is dead. */
struct worker {
    /* set by worker_init() */
    struct loop *loop;            /* borrowed */
    const struct exec_spec *spec; /* borrowed */
    struct worker_opts opts;
    struct loop_post changed; /* posted when there is something new for the owner */

    /* the process */
    enum worker_state state;
    pid_t pid;
    unsigned mark; /* base/kin.h */
    struct loop_child child;
    bool was_started; /* at least once in its life */
    struct channel channel;
    struct pacing pacing;
    struct placement placement;
    struct stdin_probe stdin_probe;
    struct question question;
    struct loop_timer timer; /* the next moment at which to step, whatever the state */
    struct loop_post step;

    /* facts, written by handlers */
    struct buf greeting; /* what a launcher that waited for its action must hear first */
    bool exited;
    int wait_status;
    bool ready;    /* it may be fed */
    bool was_seen; /* ... as it said so, or was seen waiting for input */
    bool refused;  /* its ready line says no, is none, or came too late for the line begun */
    bool hung;     /* it closed its answers, or does not read any more */
    bool late;     /* it was working past a deadline */
    bool unwanted;
    const char *killed_for; /* why it was killed with lines in its hands; NULL: it was not */
    bool retired;     /* no more jobs come: it may leave once it has answered those that it has */
    enum death death; /* what the last process died of */
    uint64_t dying_until_ms; /* pipes closed: wait for SIGCHLD until this time */
    uint64_t started_at_ms;
    struct ending ending; /* STOPPING: what it is told next */
    uint64_t reads_by_ms; /* it was asked whether it still reads: time to show it; 0: it was not */
    bool logs_settled;    /* inside hear(): the log pipes were looked at since the last read */

    struct window window; /* the jobs that it has */
    uint64_t n_logged;    /* log bytes forwarded up to the last answers */
    struct job_holder holder;
    bool takes_control; /* the process said so: give_controls() */

    /* for the owner to collect */
    struct list spoke;    /* parts that came since it was told */
    struct list finished; /* jobs with an outcome; their sentinels are written */
    struct list returned; /* jobs that never began, in order */
    struct err start_err; /* why the last start failed; ERR_NONE: it did not */
};

/* out, err: our own streams. on_changed: the owner's, see collect below. All borrowed. */
void worker_init(struct worker *worker, struct loop *loop, const struct exec_spec *spec,
                 const struct worker_opts *opts, struct output *out, struct output *err,
                 loop_post_fn *on_changed);
/* Kills what still runs. It has no jobs any more, and the lists are empty. */
void worker_done(struct worker *worker);

/* From DOWN. When it cannot even be spawned it stays DOWN, start_err filled, `changed` posted. */
void worker_start(struct worker *worker);
/* The same with a launcher that runs already and waits for this line; line: owned from now on. */
void worker_adopt(struct worker *worker, const struct spawned *spawned, struct buf *line);
/* How many more jobs may be given now; 0 unless READY. */
unsigned worker_room(const struct worker *worker);
/* How many lines it does in a moment that is not worth waking another worker for; 1: it takes
 * longer for each, or is not known yet. */
unsigned worker_batch(const struct worker *worker);
/* It has worked on the same activation for so long that others should not be put behind it. now_ns:
 * as loop_clock_ns(). */
bool worker_is_stalled(const struct worker *worker, uint64_t now_ns);
/* The job is the worker's until it stands in finished or returned. Its line is written at the end
 * of the turn, or by worker_feed(). */
void worker_give(struct worker *worker, struct job *job);
/* Write what it was given, as far as it may be written now. */
void worker_feed(struct worker *worker);
/* End it; a running job dies with it. */
void worker_stop(struct worker *worker);
/* Let it work off the jobs that it has, then end it by the end of its input. Not DOWN. */
void worker_retire(struct worker *worker);

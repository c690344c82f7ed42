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
 * from inside a call. What is said to the process and by it is worker/session.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "worker/death.h"
#include "worker/ending.h"
#include "worker/session.h"

struct exec_spec;
struct spawned;

enum worker_state {
    WORKER_DOWN,     /* no process */
    WORKER_STARTING, /* not ready to be fed */
    WORKER_READY,    /* waits for lines or works */
    WORKER_STOPPING, /* told to end; nothing is read from it but log lines */
};
#define WORKER_STATES (WORKER_STOPPING + 1) /* how many there are */

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
    struct session session;
    struct loop_timer timer; /* the next moment at which to step, whatever the state */
    struct loop_post step;
    uint64_t started_at_ms;
    struct ending ending; /* STOPPING: what it is told next */

    /* facts, written by handlers */
    bool exited;
    int wait_status;
    bool unwanted;
    bool retired; /* no more jobs come: it may leave once it has answered those that it has */
    uint64_t dying_until_ms; /* pipes closed: wait for SIGCHLD until this time; 0: they are open */

    /* how it ended */
    enum death told;        /* why we told it to end; DEATH_NONE: we did not */
    const char *killed_for; /* why it was killed with lines in its hands; NULL: it was not */
    enum death death;       /* what the last process died of */
    struct err start_err;   /* why the last start failed; ERR_NONE: it did not */
};

const char *worker_state_name(enum worker_state state);

/* out, err: our own streams. on_changed: the owner's, who takes the results of the session. All
 * borrowed. */
void worker_init(struct worker *worker, struct loop *loop, const struct exec_spec *spec,
                 const struct worker_opts *opts, struct output *out, struct output *err,
                 loop_post_fn *on_changed);
/* Kills what still runs. It has no jobs any more, and the lists are empty. */
void worker_done(struct worker *worker);

/* From DOWN. When it cannot even be spawned it stays DOWN, start_err filled, `changed` posted. */
void worker_start(struct worker *worker);
/* The same with a launcher that runs already and waits for this line; line: owned from now on. */
void worker_adopt(struct worker *worker, const struct spawned *spawned, struct buf *line);
/* The same, but there is no process: what made it has failed. */
void worker_fail_start(struct worker *worker, const struct err *err);
/* Jobs that it has. */
unsigned worker_n_jobs(const struct worker *worker);
/* It was given a line since its start. */
bool worker_was_fed(const struct worker *worker);
/* Where its answers come; ANSWERS_AUTO: not known yet. */
enum answers worker_answers(const struct worker *worker);
/* It is ready, and nobody has told it to end. */
bool worker_is_ready(const struct worker *worker);
/* Move our end of its descriptor 0 to `to`, which is closed. It gets no jobs after that. */
void worker_hand_over_input(struct worker *worker, struct loop_watch *to);
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

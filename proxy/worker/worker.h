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
 * Handlers only record facts; worker_step() decides what follows. The owner is told of changes from
 * the loop, never from inside a call. worker/session.h has the conversation with the process.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "worker/death.h"
#include "worker/session.h"

struct exec_spec;
struct spawned;

enum worker_state {
    WORKER_DOWN,     /* there is no process */
    WORKER_STARTING, /* the process is not ready for lines yet */
    WORKER_READY,    /* the process waits for lines or works on them */
    WORKER_STOPPING, /* the process was told to end: it gets no new lines, but its output is read */
};
#define WORKER_STATES (WORKER_STOPPING + 1) /* number of states */

/* Invariants: (pid == 0) == (state == DOWN). There are jobs only in READY and STOPPING. In STOPPING
 * these are jobs whose lines the process has read: until it is dead, it may begin them. */
struct worker {
    /* set by worker_init() */
    struct loop *loop;            /* borrowed */
    const struct exec_spec *spec; /* borrowed */
    struct worker_opts opts;
    struct loop_post changed; /* posted when the state changed, or there are results to collect */

    /* the process */
    enum worker_state state;
    pid_t pid;
    unsigned mark; /* finds the descendants of the process: base/kin.h */
    struct loop_child child;
    bool was_started; /* we have started a process, or tried to, at least once */
    struct session session;
    struct loop_timer timer; /* calls worker_step(), in any state */
    struct loop_post step;
    uint64_t started_at_ms;
    /* in STARTING without a ready line: when the process was first seen idle; 0: the process was
     * running when last checked */
    uint64_t idle_at_ms;
    struct {
        int signo;      /* signal that the process group gets next; 0: it got SIGKILL */
        uint64_t at_ms; /* loop time at which the group gets that signal */
    } ending;           /* valid in STOPPING */

    /* What the loop's handlers have seen and the owner has asked for; worker_step() acts on it. */
    bool exited;
    int wait_status;
    bool unwanted;
    bool retired;            /* no more jobs come: end the process when it is idle */
    uint64_t dying_until_ms; /* await SIGCHLD until this loop time; 0: the process has open pipes */

    /* how the process ended */
    enum death told; /* why we told it to end; DEATH_NONE: we did not */
    /* why the process was killed when it had read lines of jobs that it had not begun; NULL: that
     * did not happen */
    const char *killed_for;
    enum death death;     /* what the last process died of */
    struct err start_err; /* why the last start failed; ERR_NONE: it did not */
};

const char *worker_state_name(enum worker_state state);

/* out, err: our own stdout and stderr, borrowed. on_changed: called from the loop after `changed`
 * was posted; the owner collects results from the session there. */
void worker_init(struct worker *worker, struct loop *loop, const struct exec_spec *spec,
                 const struct worker_opts *opts, struct output *out, struct output *err,
                 loop_post_fn *on_changed);
/* Kill the process, and free all members. The pool must have taken all jobs back before. */
void worker_done(struct worker *worker);

/* Start a process; the state must be DOWN. If no process can be started, the state stays DOWN,
 * start_err is set and `changed` is posted. */
void worker_start(struct worker *worker);
/* Adopt a launcher that runs already, and send it `line`, which is taken over. If `line` is empty,
 * nothing is sent. The state must be DOWN. */
void worker_adopt(struct worker *worker, const struct spawned *spawned, struct buf *line);
/* Record why a start failed outside of this module, and post `changed`. The state must be DOWN. */
void worker_fail_start(struct worker *worker, const struct err *err);
/* How many jobs the worker has. */
unsigned worker_n_jobs(const struct worker *worker);
/* Whether a line was written to the process since its start. */
bool worker_got_line(const struct worker *worker);
/* The descriptor on which the worker's answers come; ANSWERS_AUTO: not known yet. */
enum answers worker_answers(const struct worker *worker);
/* Whether the state is READY and worker_stop() was not called. */
bool worker_is_ready(const struct worker *worker);
/* Move our end of the worker's descriptor 0 to `to`, which must be closed. Give the worker no jobs
 * after that. */
void worker_hand_over_input(struct worker *worker, struct loop_watch *to);
/* How many more jobs the worker may be given now; 0 unless it is READY. */
unsigned worker_room(const struct worker *worker);
/* How many lines to give this worker before another worker is woken: see pacing_batch(). */
unsigned worker_batch(const struct worker *worker);
/* Whether the worker's running activation takes so long that others should not wait behind it.
 * now_ns: from loop_clock_ns(). */
bool worker_is_stalled(const struct worker *worker, uint64_t now_ns);
/* Whether this worker is a better choice for a job than `best`. Any worker is better than NULL. A
 * worker that is not stalled is better than one that is. Otherwise the one with fewer jobs is
 * better. */
bool worker_is_better(const struct worker *worker, const struct worker *best, uint64_t now_ns);
/* Whether the worker's activations usually take little time, and the running one is not slow. */
bool worker_has_light_work(const struct worker *worker, uint64_t now_ns);
/* Whether the worker can take one more job and is likely to be done with all the jobs that it has
 * within about 200 us. */
bool worker_is_soon_done(const struct worker *worker, uint64_t now_ns);
/* Give the worker a job. The worker has the job until the session puts the job into `finished` or
 * `returned`. The job's line is written later from the loop, or at once by worker_feed(). */
void worker_give(struct worker *worker, struct job *job);
/* Write the lines of the worker's jobs now, as far as possible. */
void worker_feed(struct worker *worker);
/* End the process; a running job ends with it. */
void worker_stop(struct worker *worker);
/* Let the worker finish its jobs, then close its input to end it. The state must not be DOWN. */
void worker_retire(struct worker *worker);

#pragma once

/*
 * world - what stands around the pool in the model: a clock, pipes, processes and clients, all in
 * memory and without a thread. The pool and all below it is the real code; these modules have
 * another implementation here, of the same header: base/loop, base/kin, worker/spawn,
 * worker/stdin_probe. System calls on descriptors, and malloc(), are wrapped by the linker.
 *
 *     world.c      pipes, processes, the events of both
 *     ends.c       the beginning of a path, and its good end
 *     kernel.c     system calls and the modules above, but for the loop
 *     turns.c      base/loop.h: one turn at a time
 *     clients.c    pools and activations: submit, leave, replace, stop; what `done` must bring
 *     state.c      invariants of the structs, and the state as a hash
 *     arena.c      memory that can be copied and put back
 *     explore.c    all orders of events, breadth first; counterexamples
 *     model.c      the scenarios, and the command line
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/exec_spec.h"
#include "base/loop.h"
#include "base/output.h"
#include "pool/pool.h"
#include "worker/tally.h"

#define PROCS_MAX  8
#define JOBS_MAX   14 /* those of the scenario, and those that end a path */
#define FDS_MAX    48
#define PIPES_MAX  (4 * PROCS_MAX)
#define PIPE_MAX   256
#define PIPE_WHOLE 12 /* what PIPE_BUF stands for */
#define EVENTS_MAX 64
#define POOLS_MAX  3
#define FIRST_FD   1000 /* numbers above are the model's */
#define FIRST_PID  100

#define DEADLINE_MS 1000
#define KILL_MS     300
#define START_MS    5000

/* What may happen how often on one path, beside what must. */
struct budget {
    int submits;
    int deaths;    /* a process ends by itself, at any moment */
    int closes;    /* ... closes its pipes and lives on */
    int extras;    /* ... writes an answer that nobody asked for, before it reads on */
    int logs;      /* ... a log line that looks like an answer, before the answer */
    int halves;    /* ... reads half of a line */
    int leaves;    /* a client leaves */
    int times;     /* time passes up to the next timer */
    int stops;     /* the proxy is told to end */
    int replaces;  /* another pool is started and takes over */
    int unspawned; /* a process cannot be started */
    int amid;      /* a process makes a step between two system calls of one turn */
};

struct scenario {
    const char *name;
    const char *what;
    const char *ready;    /* the ready line; NULL: it announces nothing */
    enum answers answers; /* what the proxy is told */
    int on;               /* the descriptor that carries them */
    bool numbered;        /* as the ready line says */
    bool ring;            /* likewise */
    bool blind;           /* /proc tells nothing */
    bool by_line;         /* it reads one line at a time, as a shell does; else all there is */
    bool warm;            /* a new process has been silent for long: lines go ahead */
    unsigned vouched;     /* --pipeline */
    unsigned ahead;       /* most lines that a process may have */
    unsigned n_workers;
    unsigned queue_max;
    unsigned pipe_bytes; /* of the pipe for lines; 0: more than there is */
    unsigned broken_after;
    struct budget budget;
    unsigned depth[2]; /* short and long form */
};

enum proc_state {
    PROC_NONE,
    PROC_RUNS,
    PROC_CLOSED, /* dying: its descriptors are closed */
    PROC_ZOMBIE, /* SIGCHLD was sent */
};

struct pipe {
    char bytes[PIPE_MAX];
    unsigned n;
    bool narrow;
    uint8_t n_writers;
    uint8_t n_readers;
};

struct work {
    unsigned job;
    unsigned number;
};

struct proc {
    enum proc_state state;
    int pool; /* whose: its place in world.pools */
    unsigned serial;
    int pipes[4];
    bool open[4];
    bool said_ready;
    bool term, kill;     /* signals on their way */
    unsigned late_steps; /* steps before SIGKILL is felt */
    char own[PIPE_MAX];  /* read and not begun */
    unsigned n_own;
    struct work running[JOBS_MAX];
    unsigned n_running;
    struct work last; /* answered last; job 0: nothing since it read */
    bool logged;      /* on 1, before the answer */
    char ring[512];   /* all answers that were ever made */
    unsigned ring_end, ring_written;
    int wait_status;
};

enum fd_kind {
    FD_FREE,
    FD_READ,
    FD_WRITE,
    FD_RING
};

/* libh2o's socket, as loop.h names it: a descriptor of ours. */
struct st_h2o_socket_t {
    enum fd_kind kind;
    int pipe; /* or the process, for the ring */
    unsigned generation;
    struct loop_watch *watch;
};

enum job_state {
    CLIENT_AWAY,
    CLIENT_WAITS,
    CLIENT_DONE,
    CLIENT_REFUSED
};

struct client {
    struct job job;
    enum job_state state;
    enum job_outcome outcome;
    unsigned n_begun;
    bool touched; /* a process has read a byte of its line */
    bool written; /* ... whose end was written to it */
    bool whole;   /* ... and read */
    bool left;
    unsigned serial; /* of the process that was given it last */
};

struct pool_slot {
    struct pool *pool; /* NULL: none */
    bool retired;
    bool started;
};

/* All that changes on a path, but for the arena. */
struct world {
    uint64_t now_us;
    struct loop *loop;
    struct proc procs[PROCS_MAX];
    struct pipe pipes[PIPES_MAX];
    struct st_h2o_socket_t fds[FDS_MAX];
    struct client clients[JOBS_MAX + 1]; /* by id, from 1 */
    struct pool_slot pools[POOLS_MAX];
    int serving; /* place in pools */
    bool stopped;
    bool ending; /* a path comes to its end: deadlines are far */
    bool in_turn;
    bool inside; /* a call of the pool is under way: nothing may call back */
    unsigned n_clients;
    unsigned n_done;
    unsigned n_serial;
    uint8_t n_failed[256]; /* by serial: activations that a process took with it */
    unsigned n_sentinels[2];
    struct output out, err;
    struct output_tap out_tap, err_tap;
    struct tally tally;
    struct budget budget;
};

extern struct world world;
extern const struct scenario *scenario;

/* ---- events ---- */

enum event_kind {
    EV_TURN,
    EV_SUBMIT,
    EV_LEAVE, /* who: the client */
    EV_TIME,
    EV_STOP,
    EV_REPLACE,
    /* of a process: who */
    EV_READY,
    EV_READ,
    EV_READ_LINE,
    EV_READ_HALF,
    EV_BEGIN,
    EV_LOG,
    EV_ANSWER,
    EV_ANSWER_YOUNGEST,
    EV_FLUSH,
    EV_EXTRA,
    EV_EXTRA_OPEN, /* without a newline */
    EV_CLOSE,
    EV_LEAVE_INPUT, /* its input is at its end */
    EV_END,         /* closes all: by itself, or of a signal */
    EV_GONE,        /* SIGCHLD */
};

struct event {
    enum event_kind kind;
    int who;
};

/* Those that are possible now. Returns their number. */
unsigned world_events(struct event events[EVENTS_MAX]);
unsigned world_proc_events(struct event events[EVENTS_MAX]);
void world_do(struct event event);
/* Let the scheduler move a process between two system calls. */
void world_amid(const char *where);

void world_reset(void);
/* Workers started, none has a line: from here all orders are tried. */
void world_start(void);
/* Everybody behaves well from here on; processes answer, unless `hang`: then they neither answer
 * nor care for SIGTERM. All must end well. */
void world_settle(bool hang);

/* ---- processes and pipes ---- */

int world_spawn(int pool, int pipes[4]);
void world_signal(int proc, int signo);
size_t pipe_room(const struct pipe *pipe);
size_t pipe_put(struct pipe *pipe, const char *bytes, size_t n);
size_t pipe_get(struct pipe *pipe, char *bytes, size_t n);
int world_fd(enum fd_kind kind, int pipe);
/* The proxy has written to a process. */
void world_wrote(int pipe);
/* Whether a process waits for input, as the kernel tells. */
bool proc_waits(const struct proc *proc);
/* Whether it is seen to block in a read; then it answers nothing more before it has read. May be
 * chosen. */
bool proc_blocks(struct proc *proc);

/* ---- the loop ---- */

bool turn_is_due(void);
void turn_run(void);
/* The soonest timer; UINT64_MAX: none. */
uint64_t turn_next_us(void);
bool turn_has_posts(void);
/* Its posts and timers, in order, for the hash. */
void turn_hash(void);

/* ---- clients ---- */

void clients_start(void);
bool clients_submit(void);
void clients_leave(int who);
void clients_replace(void);
void clients_stop(void);
bool clients_wait(void);
void clients_free(void);
int clients_pool_of(const struct pool *pool);

/* ---- the state ---- */

void state_check(void);
uint64_t state_hash(void);
/* Of a post or timer of a pool or one of its workers: the same number on each path. */
uint64_t state_name(const void *part);
void hash_add(uint64_t value);
void hash_bytes(const void *bytes, size_t n);
/* A moment, as a distance from now. */
void hash_moment_us(uint64_t at_us);

/* ---- memory ---- */

void arena_reset(void);
size_t arena_used(void);
void arena_save(void);
void arena_restore(void);

/* ---- the scheduler ---- */

/* One of n: 0 when the path says nothing else. */
unsigned choose(unsigned n);
/* What must hold does not: tells the steps and ends the program. */
void broken(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
extern bool tracing;

struct explored {
    uint64_t n_states;
    uint64_t n_paths; /* orders of events that were run to their end */
    uint64_t n_steps;
    unsigned depth;
    enum {
        END_DEPTH,
        END_ALL,
        END_TIME
    } end; /* ALL: no state is left that was not looked at */
};

struct explored explore(unsigned depth, bool prune, double seconds);
int explore_replay(const char *path);

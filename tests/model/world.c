/* Pipes and processes, and what may happen next. */

#include "world.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATE_STEPS 2  /* that a process makes after SIGKILL was sent, before it feels it */
#define WORK_MAX   64 /* bytes of a line */

struct world world;

/* ---- pipes ---- */

size_t pipe_room(const struct pipe *pipe)
{
    size_t most = scenario->pipe_bytes > 0 && !pipe->narrow ? scenario->pipe_bytes : PIPE_MAX;

    return most > pipe->n ? most - pipe->n : 0;
}

size_t pipe_put(struct pipe *pipe, const char *bytes, size_t n)
{
    if (n > PIPE_MAX - pipe->n)
        broken("a pipe of the model is full");
    memcpy(pipe->bytes + pipe->n, bytes, n);
    pipe->n += (unsigned)n;
    return n;
}

size_t pipe_get(struct pipe *pipe, char *bytes, size_t n)
{
    n = n < pipe->n ? n : pipe->n;
    memcpy(bytes, pipe->bytes, n);
    pipe->n -= (unsigned)n;
    memmove(pipe->bytes, pipe->bytes + n, pipe->n);
    return n;
}

/* ---- the life of a process ---- */

static struct pipe *pipe_of(const struct proc *proc, int fd)
{
    return &world.pipes[proc->pipes[fd]];
}

/* Nobody looks at what it left any more. */
static bool is_free(int at)
{
    return world.procs[at].state == PROC_NONE && world.pipes[4 * at].n_writers == 0 &&
           world.pipes[4 * at + 1].n_readers == 0 && world.pipes[4 * at + 2].n_readers == 0 &&
           world.pipes[4 * at + 3].n_readers == 0;
}

int world_spawn(int pool, int pipes[4])
{
    int at = 0;
    struct proc *proc;

    while (at < PROCS_MAX && !is_free(at))
        at++;
    if (at == PROCS_MAX)
        broken("more than %d processes", PROCS_MAX);
    proc = &world.procs[at];
    memset(proc, 0, sizeof(*proc));
    proc->state = PROC_RUNS;
    proc->pool = pool;
    proc->serial = world.n_serial++;
    proc->late_steps = LATE_STEPS;
    for (int fd = 0; fd < 4; fd++) {
        struct pipe *pipe = &world.pipes[4 * at + fd];

        memset(pipe, 0, sizeof(*pipe));
        proc->pipes[fd] = pipes[fd] = 4 * at + fd;
        proc->open[fd] = true;
        if (fd == 0)
            pipe->n_readers = 1;
        else
            pipe->n_writers = 1;
    }
    say("        process %d starts", at);
    return at;
}

static void close_end(struct proc *proc, int fd)
{
    if (!proc->open[fd])
        return;
    proc->open[fd] = false;
    if (fd == 0)
        pipe_of(proc, fd)->n_readers--;
    else
        pipe_of(proc, fd)->n_writers--;
}

void world_signal(int at, int signo)
{
    struct proc *proc = &world.procs[at];

    if (proc->state != PROC_RUNS)
        return;
    say("        the proxy sends SIG%s to process %d", signo == SIGKILL ? "KILL" : "TERM", at);
    if (signo == SIGKILL)
        proc->kill = true;
    else
        proc->term = true;
}

/* ---- what it reads ---- */

static unsigned line_len(const char *bytes, unsigned n)
{
    const char *newline = memchr(bytes, '\n', n);

    return newline != NULL ? (unsigned)(newline - bytes) + 1 : 0;
}

/* The line of an activation, and its answer, which is the same. */
static unsigned say_work(char text[WORK_MAX], struct work work)
{
    if (scenario->numbered)
        return (unsigned)snprintf(text, WORK_MAX, "[%u,{\"n\":%u}]\n", work.number, work.job);
    return (unsigned)snprintf(text, WORK_MAX, "{\"n\":%u}\n", work.job);
}

/* Whose line it is; broken if it is nobody's, or two that are glued together. */
static struct work parse(const char *line, unsigned n)
{
    struct work work = {0, 0};
    char wanted[WORK_MAX];

    if (scenario->numbered)
        (void)sscanf(line, "[%u,{\"n\":%u}]", &work.number, &work.job);
    else
        (void)sscanf(line, "{\"n\":%u}", &work.job);
    (void)say_work(wanted, work);
    if (work.job < 1 || work.job > JOBS_MAX || n != strlen(wanted) || memcmp(line, wanted, n) != 0)
        broken("a process reads a line that is nobody's: \"%.*s\"", (int)n, line);
    return work;
}

static void drop_own(struct proc *proc, unsigned n)
{
    proc->n_own -= n;
    memmove(proc->own, proc->own + n, proc->n_own);
}

/* Lines that are no activation's: empty ones, and control lines. */
static void skip_others(struct proc *proc)
{
    unsigned n;

    while ((n = line_len(proc->own, proc->n_own)) > 0 && proc->own[0] != '{' && proc->own[0] != '[')
        drop_own(proc, n);
}

/* The activation of which a process has read the beginning alone; NULL: none, or not known yet. */
static struct client *partly_read(const struct proc *proc, unsigned at)
{
    const char *id = memmem(proc->own + at, proc->n_own - at, "\"n\":", 4);
    unsigned job = 0;

    if (id != NULL && id + 4 < proc->own + proc->n_own)
        job = (unsigned)strtoul(id + 4, NULL, 10);
    return job >= 1 && job <= JOBS_MAX ? &world.clients[job] : NULL;
}

/* Activations are marked whose lines a process has read, in part or whole. */
static void mark_read(const struct proc *proc)
{
    const struct pipe *in = pipe_of(proc, 0);
    struct client *client;
    unsigned at = 0;
    unsigned n;

    for (; (n = line_len(proc->own + at, proc->n_own - at)) > 0; at += n)
        if (proc->own[at] == '{' || proc->own[at] == '[') {
            client = &world.clients[parse(proc->own + at, n).job];
            client->touched = client->written = client->whole = true;
            client->serial = proc->serial;
        }
    client = partly_read(proc, at);
    if (client != NULL) {
        client->touched = true;
        client->written |= line_len(in->bytes, in->n) > 0;
        client->serial = proc->serial;
    }
}

/* An activation fails with the process that was given its line last, even if another has read it
 * before. */
static void mark_given(const struct proc *proc)
{
    const struct pipe *in = &world.pipes[proc->pipes[0]];
    const char *end = in->bytes + in->n;
    const char *at = in->bytes;

    while ((at = memmem(at, (size_t)(end - at), "\"n\":", 4)) != NULL) {
        unsigned job = 0;

        for (at += 4; at < end && *at >= '0' && *at <= '9'; at++)
            job = 10 * job + (unsigned)(*at - '0');
        if (at < end && job >= 1 && job <= JOBS_MAX)
            world.clients[job].serial = proc->serial;
    }
}

void world_wrote(int pipe)
{
    mark_given(&world.procs[pipe / 4]);
    mark_read(&world.procs[pipe / 4]);
}

static void read_input(struct proc *proc, unsigned n)
{
    struct pipe *pipe = pipe_of(proc, 0);

    assert(proc->n_own + n <= sizeof(proc->own));
    say("        ... \"%.*s\"", (int)n, pipe->bytes);
    proc->n_own += (unsigned)pipe_get(pipe, proc->own + proc->n_own, n);
    proc->last.job = 0;
    mark_read(proc);
    skip_others(proc);
}

bool proc_waits(const struct proc *proc)
{
    return proc->open[0] && proc->n_running == 0 && line_len(proc->own, proc->n_own) == 0 &&
           world.pipes[proc->pipes[0]].n == 0 && (scenario->ready == NULL || proc->said_ready);
}

bool proc_blocks(struct proc *proc)
{
    if (!proc_waits(proc))
        return false;
    if (proc->last.job > 0 && world.budget.extras > 0 && choose(2) == 0)
        return false;
    proc->last.job = 0;
    return true;
}

static void begin(struct proc *proc)
{
    struct work work = parse(proc->own, line_len(proc->own, proc->n_own));
    struct client *client = &world.clients[work.job];

    say("        ... activation %u", work.job);
    drop_own(proc, line_len(proc->own, proc->n_own));
    skip_others(proc);
    proc->running[proc->n_running++] = work;
    proc->logged = false;
    if (++client->n_begun > 1)
        broken("activation %u is begun twice", work.job);
    if (client->state == CLIENT_DONE &&
        (client->outcome == JOB_CANCELLED || client->outcome == JOB_ABANDONED ||
         client->outcome == JOB_UNSTARTED))
        broken("activation %u is begun, and was answered as one that never is", work.job);
}

/* ---- what it writes ---- */

static void put_answers(struct proc *proc, const char *text, unsigned n)
{
    if (!scenario->ring) {
        (void)pipe_put(pipe_of(proc, scenario->on), text, n);
        return;
    }
    assert(proc->ring_end + n <= sizeof(proc->ring));
    memcpy(proc->ring + proc->ring_end, text, n);
    proc->ring_end += n;
}

static void flush(struct proc *proc)
{
    (void)pipe_put(pipe_of(proc, scenario->on), proc->ring + proc->ring_written,
                   proc->ring_end - proc->ring_written);
    proc->ring_written = proc->ring_end;
}

static void answer_work(struct proc *proc, struct work work, bool whole)
{
    char text[WORK_MAX];
    unsigned n = say_work(text, work);

    say("        ... activation %u", work.job);
    put_answers(proc, text, whole ? n : n - 1);
}

static void answer(struct proc *proc, unsigned at)
{
    struct work work = proc->running[at];

    answer_work(proc, work, true);
    proc->n_running--;
    memmove(&proc->running[at], &proc->running[at + 1],
            (proc->n_running - at) * sizeof(proc->running[0]));
    proc->last = work;
}

static void say_ready(struct proc *proc)
{
    char text[64];
    int n = snprintf(text, sizeof(text), "%s\n", scenario->ready);

    proc->said_ready = true;
    put_answers(proc, text, (unsigned)n);
    if (scenario->ring)
        flush(proc);
}

static void end(struct proc *proc)
{
    for (int fd = 0; fd < 4; fd++)
        close_end(proc, fd);
    proc->wait_status = proc->kill ? SIGKILL : proc->term ? SIGTERM : SIGSEGV;
    proc->state = PROC_CLOSED;
}

/* ---- what may happen ---- */

static bool add(struct event events[EVENTS_MAX], unsigned *n, enum event_kind kind, int who)
{
    assert(*n < EVENTS_MAX);
    events[(*n)++] = (struct event){kind, who};
    return true;
}

static void reading_events(const struct proc *proc, int at, struct event *events, unsigned *n)
{
    const struct pipe *in = pipe_of(proc, 0);
    unsigned line = line_len(in->bytes, in->n);
    bool busy = proc->n_running > 0 || line_len(proc->own, proc->n_own) > 0;

    if (!proc->open[0] || (busy && !scenario->numbered) || proc->ring_end > proc->ring_written)
        return;
    if (in->n == 0) {
        if (in->n_writers == 0 && !busy)
            (void)add(events, n, EV_LEAVE_INPUT, at);
        return;
    }
    if (line > 0 && (scenario->by_line || line < in->n))
        (void)add(events, n, EV_READ_LINE, at);
    if (!scenario->by_line || line == 0)
        (void)add(events, n, EV_READ, at);
    if (world.budget.halves > 0 && line > 4)
        (void)add(events, n, EV_READ_HALF, at);
}

static void running_events(const struct proc *proc, int at, struct event *events, unsigned *n)
{
    const struct budget *budget = &world.budget;
    bool may_begin = scenario->numbered || proc->n_running == 0;

    if (scenario->ready != NULL && !proc->said_ready) {
        (void)add(events, n, EV_READY, at);
        return;
    }
    if (proc->ring_end > proc->ring_written)
        (void)add(events, n, EV_FLUSH, at);
    if (proc->n_running > 0)
        (void)add(events, n, EV_ANSWER, at);
    if (proc->n_running > 1)
        (void)add(events, n, EV_ANSWER_YOUNGEST, at);
    if (proc->n_running > 0 && budget->logs > 0 && !proc->logged)
        (void)add(events, n, EV_LOG, at);
    if (may_begin && line_len(proc->own, proc->n_own) > 0)
        (void)add(events, n, EV_BEGIN, at);
    reading_events(proc, at, events, n);
    if (budget->extras > 0 && proc->last.job > 0)
        (void)add(events, n, EV_EXTRA, at);
    if (budget->extras > 0 && proc->last.job > 0 && !scenario->numbered)
        (void)add(events, n, EV_EXTRA_OPEN, at);
}

unsigned world_proc_events(struct event events[EVENTS_MAX])
{
    unsigned n = 0;

    for (int at = 0; at < PROCS_MAX; at++) {
        const struct proc *proc = &world.procs[at];

        if (proc->state == PROC_CLOSED)
            (void)add(events, &n, EV_GONE, at);
        if (proc->state != PROC_RUNS)
            continue;
        if (proc->kill || proc->term || world.budget.deaths > 0)
            (void)add(events, &n, EV_END, at);
        if (proc->kill && proc->late_steps == 0)
            continue;
        if (proc->open[1] && proc->open[3])
            running_events(proc, at, events, &n);
        if (world.budget.closes > 0 && proc->open[1])
            (void)add(events, &n, EV_CLOSE, at);
    }
    return n;
}

unsigned world_events(struct event events[EVENTS_MAX])
{
    const struct budget *budget = &world.budget;
    unsigned n = world_proc_events(events);
    uint64_t next_us = turn_next_us();

    if (turn_is_due())
        (void)add(events, &n, EV_TURN, 0);
    /* Short waits are free: there is always another one. */
    if (next_us != UINT64_MAX && next_us > world.now_us && !turn_has_posts() &&
        (budget->times > 0 || next_us - world.now_us < 1000))
        (void)add(events, &n, EV_TIME, 0);
    if (budget->submits > 0 && !world.stopped)
        (void)add(events, &n, EV_SUBMIT, 0);
    for (unsigned i = 1; i <= world.n_clients && budget->leaves > 0; i++)
        if (world.clients[i].state == CLIENT_WAITS && !world.clients[i].left)
            (void)add(events, &n, EV_LEAVE, (int)i);
    if (budget->stops > 0 && !world.stopped)
        (void)add(events, &n, EV_STOP, 0);
    if (budget->replaces > 0 && !world.stopped)
        (void)add(events, &n, EV_REPLACE, 0);
    return n;
}

static const char *const names[] = {
    [EV_TURN] = "the proxy turns",
    [EV_SUBMIT] = "a client asks",
    [EV_LEAVE] = "leaves",
    [EV_TIME] = "time passes",
    [EV_STOP] = "the proxy is told to end",
    [EV_REPLACE] = "another version is started",
    [EV_READY] = "reports ready",
    [EV_READ] = "reads all there is",
    [EV_READ_LINE] = "reads a line",
    [EV_READ_HALF] = "reads a part of a line",
    [EV_BEGIN] = "begins",
    [EV_LOG] = "logs a line that looks like an answer",
    [EV_ANSWER] = "answers",
    [EV_ANSWER_YOUNGEST] = "answers the youngest",
    [EV_FLUSH] = "writes the answers that wait",
    [EV_EXTRA] = "answers once more",
    [EV_EXTRA_OPEN] = "answers once more, without a newline",
    [EV_CLOSE] = "closes its pipes and lives on",
    [EV_LEAVE_INPUT] = "sees the end of its input and ends",
    [EV_END] = "ends: its pipes are closed",
    [EV_GONE] = "is a zombie",
};

static void say_event(struct event event)
{
    const char *where = world.in_turn ? "        meanwhile " : "";

    if (event.kind >= EV_READY)
        say("%sprocess %d %s", where, event.who, names[event.kind]);
    else if (event.kind == EV_LEAVE)
        say("client %d %s", event.who, names[event.kind]);
    else
        say("%s", names[event.kind]);
}

static void log_answer(struct proc *proc)
{
    static const char text[] = "{\"log\":1}\n";

    world.budget.logs--;
    proc->logged = true;
    (void)pipe_put(pipe_of(proc, 1), text, sizeof(text) - 1);
}

static void do_proc(struct event event)
{
    struct proc *proc = &world.procs[event.who];
    struct pipe *in = pipe_of(proc, 0);

    if (proc->kill && event.kind != EV_END && event.kind != EV_GONE)
        proc->late_steps--;
    switch (event.kind) {
    case EV_READY:
        say_ready(proc);
        break;
    case EV_READ:
        read_input(proc, in->n);
        break;
    case EV_READ_LINE:
        read_input(proc, line_len(in->bytes, in->n));
        break;
    case EV_READ_HALF:
        world.budget.halves--;
        read_input(proc, line_len(in->bytes, in->n) - 2);
        break;
    case EV_BEGIN:
        begin(proc);
        break;
    case EV_LOG:
        log_answer(proc);
        break;
    case EV_ANSWER:
        answer(proc, 0);
        break;
    case EV_ANSWER_YOUNGEST:
        answer(proc, proc->n_running - 1);
        break;
    case EV_FLUSH:
        flush(proc);
        break;
    case EV_EXTRA:
        world.budget.extras--;
        answer_work(proc, proc->last, true);
        break;
    case EV_EXTRA_OPEN:
        world.budget.extras--;
        answer_work(proc, proc->last, false);
        break;
    case EV_CLOSE:
        world.budget.closes--;
        close_end(proc, 0);
        close_end(proc, 1);
        close_end(proc, 3);
        break;
    case EV_END:
        world.budget.deaths -= !proc->kill && !proc->term;
        end(proc);
        break;
    case EV_LEAVE_INPUT:
        end(proc);
        break;
    case EV_GONE:
        proc->state = PROC_ZOMBIE;
        break;
    default:
        assert(false);
    }
}

void world_do(struct event event)
{
    say_event(event);
    switch (event.kind) {
    case EV_TURN:
        turn_run();
        break;
    case EV_TIME:
        world.budget.times -= turn_next_us() - world.now_us >= 1000;
        say("        ... %llu us", (unsigned long long)(turn_next_us() - world.now_us));
        world.now_us = turn_next_us();
        break;
    case EV_SUBMIT:
        world.budget.submits--;
        (void)clients_submit();
        break;
    case EV_LEAVE:
        world.budget.leaves--;
        clients_leave(event.who);
        break;
    case EV_STOP:
        world.budget.stops--;
        clients_stop();
        break;
    case EV_REPLACE:
        world.budget.replaces--;
        clients_replace();
        break;
    default:
        do_proc(event);
        break;
    }
}

void world_amid(const char *where)
{
    struct event events[EVENTS_MAX];
    unsigned n, chosen;

    (void)where;
    if (!world.in_turn || world.budget.amid <= 0)
        return;
    n = world_proc_events(events);
    chosen = choose(n + 1);
    if (chosen == 0)
        return;
    world.budget.amid--;
    world_do(events[chosen - 1]);
}

#pragma once

/* pool_fixture - a pool of real children, and activations that remember how they ended. */

#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "exec_spec_fixture.h"
#include "loop_fixture.h"
#include "pool/pool.h"
#include "worker/spawn.h"
#include "worker/tally.h"

#define TASKS_MAX 64
#define FAR_MS    1000000 /* a deadline that does not come */
#define OK        "line3:{\"ok\":true}"
#define END       SENTINEL "\n"

struct fixture;

struct task {
    struct job job;
    struct fixture *f;
    unsigned n_done;
    unsigned place; /* how many were done before it */
};

struct fixture {
    struct loop *loop;
    struct capture out;
    struct capture err;
    struct tally tally;
    struct pool_opts opts;
    struct pool *pool;
    struct task tasks[TASKS_MAX];
    unsigned n_tasks; /* submitted */
    unsigned n_done;
    unsigned n_started; /* calls of on_started() */
    struct err start_err;
    bool inside; /* a call of the pool is under way: nothing may call back */
};

static inline void on_done(struct job *job)
{
    struct task *task = container_of(job, struct task, job);

    assert_false(task->f->inside);
    task->n_done++;
    task->place = task->f->n_done++;
}

static inline void on_started(void *owner, const struct err *err)
{
    struct fixture *f = owner;

    assert_false(f->inside);
    f->n_started++;
    f->start_err = *err;
}

static inline int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    f->loop = loop_for_test();
    capture_open(&f->out, f->loop);
    capture_open(&f->err, f->loop);
    f->opts = (struct pool_opts){
        .n_workers = 1,
        .n_light = 1,
        .queue_max = TASKS_MAX,
        .restart = {.pause_ms = 1, .pause_max_ms = 4, .broken_after = 3, .broken_life_ms = FAR_MS},
        .worker = {.start_ms = LIMIT_MS / 2,
                   .settle_ms = LIMIT_MS / 4,
                   .kill_ms = 50,
                   .answer_max_bytes = 100000,
                   .tally = &f->tally}};
    *state = f;
    return 0;
}

static inline bool all_are_done(void *subject)
{
    const struct fixture *f = subject;

    return f->n_done == f->n_tasks;
}

static inline bool nothing_runs(void *subject)
{
    const struct fixture *f = subject;

    return pool_n_processes(f->pool) == 0;
}

static inline bool was_started(void *subject)
{
    return ((struct fixture *)subject)->n_started > 0;
}

static inline void stop(struct fixture *f)
{
    f->inside = true;
    pool_stop(f->pool);
    f->inside = false;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;

    if (f->pool != NULL) {
        stop(f);
        (void)loop_comes_to(f->loop, all_are_done, f);
        (void)loop_comes_to(f->loop, nothing_runs, f);
    }
    pool_free(&f->pool);
    for (unsigned i = 0; i < TASKS_MAX; i++) {
        free(f->tasks[i].job.line);
        free(f->tasks[i].job.answer);
    }
    capture_close(&f->out);
    capture_close(&f->err);
    loop_free(&f->loop);
    free(f);
    return 0;
}

static inline void make(struct fixture *f, struct exec_spec spec)
{
    f->pool = pool_new(f->loop, &spec, &f->opts, &f->out.output, &f->err.output);
    assert_null(spec.argv); /* handed over */
}

static inline void begin(struct fixture *f, struct exec_spec spec)
{
    make(f, spec);
    f->inside = true;
    pool_start(f->pool, NULL, NULL, on_started, f);
    f->inside = false;
}

static inline void start(struct fixture *f, struct exec_spec spec)
{
    begin(f, spec);
    loop_until(f->loop, was_started, f);
}

static inline bool submit_until(struct fixture *f, const char *script, uint64_t span_ms)
{
    struct task *task = &f->tasks[f->n_tasks];
    bool taken;

    assert_true(f->n_tasks < TASKS_MAX);
    task->f = f;
    task->job = (struct job){.done = on_done, .deadline_at_ms = loop_now_ms(f->loop) + span_ms};
    list_init(&task->job.node);
    task->job.line = xasprintf("{%s\n", script);
    task->job.len = strlen(task->job.line);
    f->inside = true;
    taken = pool_submit(f->pool, &task->job);
    f->inside = false;
    if (taken)
        f->n_tasks++;
    else
        free(TAKE(task->job.line));
    return taken;
}

static inline struct task *submit(struct fixture *f, const char *script)
{
    assert_true(submit_until(f, script, FAR_MS));
    return &f->tasks[f->n_tasks - 1];
}

/* Submit one and wait until all are done. */
static inline struct task *run(struct fixture *f, const char *script)
{
    struct task *task = submit(f, script);

    loop_until(f->loop, all_are_done, f);
    assert_int_equal(task->n_done, 1);
    return task;
}

static inline void assert_answer(const struct task *task, const char *wanted)
{
    assert_int_equal(task->n_done, 1);
    assert_int_equal(task->job.outcome, JOB_ANSWERED);
    assert_int_equal(task->job.answer_len, strlen(wanted));
    assert_memory_equal(task->job.answer, wanted, task->job.answer_len);
}

#define serve() launch_child(ANSWERS_FD3, false, "serve", NULL)

static inline bool one_runs(void *subject)
{
    return ((struct fixture *)subject)->pool->n_running == 1;
}

static inline void kill_idle(struct fixture *f)
{
    pid_t pid = f->pool->workers[0].worker.pid;

    spawn_kill(pid, SIGKILL);
    while (f->pool->workers[0].worker.pid == pid)
        loop_turn(f->loop, 1);
}

/* A busy worker, and queue_max. */
static inline void start_and_occupy(struct fixture *f, unsigned queue_max)
{
    f->opts.queue_max = queue_max;
    start(f, serve());
    (void)submit(f, "deaf");
    loop_until(f->loop, one_runs, f);
}
